"""All words for people, in English, in one place: formats, labels and sentences.

House words: "pain-related facial activity" against the patient's own usual range; never a score of pain, no diagnosis.
Templates and charts take every piece of text from here.
"""
