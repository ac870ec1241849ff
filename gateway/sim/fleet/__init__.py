"""A fleet: many real agents in one process, to load a broker and the platform behind it.

What each of them says is made up; how it says it, keeps it and sends it again is the real thing.
"""
