"""Sidelight: content-adaptive artifact removal for codecs.

An encoder has the original and the decoded picture: encode() gives a payload of a few dozen bytes.
A decoder has the payload and the decoded picture: Decoder gives a better picture, bit by bit the one
that the encoder measured.
"""

from ._sidelight import *  # noqa: F403
from ._sidelight import __all__, __version__  # noqa: F401
