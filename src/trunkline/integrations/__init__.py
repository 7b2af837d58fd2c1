"""What reaches out to other programs on a call's behalf: tools over HTTP and MCP, functions in Python.

May import only the vocabulary at the top of the package. Start reading in `toolbox.py`, which holds the
configured tools by name; each kind of tool is a file and a line there.
"""
