# The docstrings are in the module: help(sidelight.encode).

from collections.abc import Callable, Sequence
from typing import Any, Literal, Optional, Union, final

import numpy as np
import numpy.typing as npt
from typing_extensions import Self, TypeAlias

__all__ = [
    "AccessUnit",
    "Conflict",
    "Corrupt",
    "Decoder",
    "Error",
    "CodecParams",
    "InvalidArgument",
    "NoPayload",
    "OptimiseReport",
    "Picture",
    "Report",
    "SEI_UUID",
    "FULL_STRENGTH",
    "Stale",
    "Stream",
    "TooLarge",
    "UnknownModel",
    "Unsupported",
    "__version__",
    "encode",
    "jpeg_check_planes",
    "jpeg_extract",
    "jpeg_insert",
    "jpeg_optimise",
    "jpeg_remove",
    "payload_bind",
]

__version__: str
SEI_UUID: bytes
FULL_STRENGTH: int

_Plane: TypeAlias = Union[npt.NDArray[np.uint8], npt.NDArray[np.uint16]]
_Coefficients: TypeAlias = npt.NDArray[np.int16]
_Bytes: TypeAlias = Union[bytes, bytearray, memoryview]  # or what else has a buffer
_Pictures: TypeAlias = Union[Picture, Sequence[Picture]]
_Mode: TypeAlias = Literal["off", "base", "update"]
_ModelSize: TypeAlias = Literal["default", "small", "medium", "large"]
_Objective: TypeAlias = Literal["rate-distortion", "published"]
_Layout: TypeAlias = Literal["I400", "I420", "I422", "I444", "I440", "I411"]
_Type: TypeAlias = Literal["irap", "i", "p", "b"]

class Error(Exception): ...
class InvalidArgument(Error, ValueError): ...
class Conflict(Error): ...
class NoPayload(Error): ...
class UnknownModel(Error): ...
class TooLarge(Error): ...
class Corrupt(Error): ...
class Unsupported(Error): ...
class Stale(Error): ...

@final
class Picture:
    def __new__(
        cls,
        planes: Union[_Plane, Sequence[_Plane]],
        *,
        bit_depth: Optional[int] = None,
        layout: Optional[_Layout] = None,
        picture_type: _Type = "irap",
    ) -> Self: ...
    @property
    def planes(self) -> tuple[_Plane, ...]: ...
    @property
    def luma(self) -> _Plane: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def layout(self) -> _Layout: ...
    @property
    def bit_depth(self) -> int: ...
    @property
    def picture_type(self) -> _Type: ...
    @property
    def binding(self) -> int: ...

@final
class CodecParams:
    @staticmethod
    def jpeg(
        quant_luma: npt.ArrayLike,
        quant_chroma: Optional[npt.ArrayLike] = None,
        *,
        binding: int = 0,
        coded_bytes: int = 0,
        slope: float = 0.0,
        carriage_bytes: int = 11,
    ) -> CodecParams: ...
    @staticmethod
    def hevc(
        qp_i: int,
        qp_p: int,
        qp_b: int,
        *,
        binding: int = 0,
        coded_bytes: int = 0,
        slope: float = 0.0,
        carriage_bytes: int = 25,
    ) -> CodecParams: ...
    @staticmethod
    def from_jpeg(data: _Bytes, *, slope: float = 0.0) -> CodecParams: ...
    @property
    def codec(self) -> Literal["jpeg", "hevc"]: ...
    @property
    def quant_luma(self) -> Optional[npt.NDArray[np.uint16]]: ...
    @property
    def quant_chroma(self) -> Optional[npt.NDArray[np.uint16]]: ...
    @property
    def qp(self) -> Optional[tuple[int, int, int]]: ...
    @property
    def binding(self) -> int: ...
    @property
    def coded_bytes(self) -> int: ...
    @property
    def slope(self) -> float: ...
    @property
    def carriage_bytes(self) -> int: ...

@final
class Report:
    @property
    def mode(self) -> _Mode: ...
    @property
    def payload_bytes(self) -> int: ...
    @property
    def psnr_decoded(self) -> float: ...
    @property
    def psnr_base(self) -> float: ...
    @property
    def psnr_payload(self) -> float: ...
    @property
    def psnr_chroma_decoded(self) -> tuple[float, float]: ...
    @property
    def psnr_chroma_base(self) -> tuple[float, float]: ...
    @property
    def psnr_chroma_payload(self) -> tuple[float, float]: ...
    @property
    def slope_db_per_byte(self) -> float: ...
    @property
    def steps(self) -> int: ...

def encode(
    originals: _Pictures,
    decoded: _Pictures,
    params: CodecParams,
    *,
    no_update: bool = False,
    effort: int = 5,
    steps: int = 0,
    budget_ms: int = 0,
    threads: int = 0,
    model_size: _ModelSize = "default",
    objective: _Objective = "rate-distortion",
    progress: Optional[Callable[[float], Any]] = None,
) -> tuple[bytes, Report]: ...

@final
class OptimiseReport:
    @property
    def changed(self) -> bool: ...
    @property
    def model(self) -> int: ...
    @property
    def bits(self) -> tuple[int, int]: ...
    @property
    def psnr_decoded_before(self) -> tuple[float, float, float]: ...
    @property
    def psnr_decoded(self) -> tuple[float, float, float]: ...
    @property
    def psnr_filtered_before(self) -> tuple[float, float, float]: ...
    @property
    def psnr_filtered(self) -> tuple[float, float, float]: ...

def jpeg_optimise(
    original: Picture,
    coefficients: Union[_Coefficients, Sequence[_Coefficients]],
    params: CodecParams,
    payload: Optional[_Bytes] = None,
    *,
    effort: int = 5,
    strength: float = 0.6,
    decoded_weight: float = 0.2,
    progressive: bool = False,
    threads: int = 0,
    model_size: _ModelSize = "default",
    progress: Optional[Callable[[float], Any]] = None,
) -> tuple[tuple[_Coefficients, ...], OptimiseReport]: ...

@final
class Decoder:
    def __new__(
        cls, threads: int = 0, skip_binding: bool = False, *, model_size: _ModelSize = "default"
    ) -> Self: ...
    def set_payload(self, payload: _Bytes, params: CodecParams) -> _Mode: ...
    def set_mode(
        self, mode: Literal["off", "base"], params: Optional[CodecParams] = None
    ) -> None: ...
    def set_sei(self, picture: Picture, messages: Sequence[_Bytes]) -> Optional[_Mode]: ...
    def set_strength(self, strength: int) -> None: ...
    def filter(self, picture: Picture, *, bit_depth: Literal[8, 10, 12, 16, None] = None) -> Picture: ...

def jpeg_insert(data: _Bytes, payload: _Bytes, *, anyway: bool = False) -> bytes: ...
def jpeg_extract(data: _Bytes) -> bytes: ...
def jpeg_remove(data: _Bytes, *, anyway: bool = False) -> bytes: ...
def jpeg_check_planes(data: _Bytes, decoded: Picture) -> int: ...
def payload_bind(payload: _Bytes, carrier: Picture) -> bytes: ...

@final
class Stream:
    def __new__(
        cls, codec: Literal["h264", "hevc", "vvc"], length_bytes: Literal[0, 1, 2, 4] = 0
    ) -> Self: ...
    def push(self, data: _Bytes) -> None: ...
    def finish(self) -> None: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> AccessUnit: ...

@final
class AccessUnit:
    @property
    def data(self) -> bytes: ...
    @property
    def has_picture(self) -> bool: ...
    @property
    def is_irap(self) -> bool: ...
    @property
    def payloads(self) -> list[bytes]: ...
    def rewrite(self, payload: Optional[_Bytes] = None) -> bytes: ...
