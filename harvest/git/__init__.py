"""Git's wire protocol, version 2, as far as a harvest needs it: deciding here, I/O elsewhere."""
