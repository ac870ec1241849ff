"""The generated pages of docs: `.venv/bin/python -m tools.docs` writes them.

A page says what the code says, in the code's own words: models, docstrings, comments, captured
examples, help texts. Where the code has no words for people, they stand beside the page's writer,
and a name that lacks them, or has them and is gone, ends the run.
"""
