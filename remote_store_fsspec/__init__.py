"""Every storage a team runs behind one fsspec filesystem with one contract."""

__version__ = "0.1.0"
