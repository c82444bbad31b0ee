"""Python side of liboassl.

`python -m oassl.caption` writes the captions that OA-SSL learns from.  Importing this package needs neither the
library nor any other package.
"""

__version__ = "0.1.0"
