"""Names that a person meets before any setting is read. Imports nothing: the command line starts at once."""

FILE_NAME = "trunkline.toml"
CONFIG_VARIABLE = "TRUNKLINE_CONFIG"
"""Names the configuration file to read."""
DEBUG_VARIABLE = "TRUNKLINE_DEBUG"
"""Like `--debug`: faults are shown in full."""
