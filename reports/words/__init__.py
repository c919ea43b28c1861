"""Words for people: formats, labels and sentences, in English; the translations are in reports/locale.

House words: "pain-related facial activity" against the patient's own usual range; never a score of pain, no diagnosis.
Templates and charts take every piece of text from here.
"""
