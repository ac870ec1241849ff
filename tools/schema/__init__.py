"""The schemas of docs/reference/schema.md: `.venv/bin/python -m tools.schema` writes them.

One description of each message gives two JSON Schemas. `config/schema/open` is for consumers: it
takes fields and words that a later minor version may add. `config/schema/strict` is for our own
output: it takes what this version says, and nothing else. The description knows the vocabulary's
table and nothing of the code that renders messages, so that one can judge the other.
"""
