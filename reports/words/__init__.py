"""The words that readers see: formats, labels and sentences, in English; the translations are in reports/locale.

The wording is always "pain-related facial activity", compared with the patient's own usual range; never a pain score or
a diagnosis. Charts take all their text from here. Templates do too, except for their headings and column titles.
"""
