"""From LLVM IR to functions that run: optimised for this processor, compiled once, kept on disk.

Object code is kept under a name made from everything it depends on (text, processor, versions), so there is nothing
to invalidate; ``kept_code`` says whose code is taken from there.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import logging
import platform
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from dynamics.compiled.kernels import kept_code
from dynamics.errors import IntegrationError

__all__ = ["ADDRESS", "Kernel", "Target", "available", "compile_kernel", "native_target"]

LOG = logging.getLogger(__name__)
ADDRESS = ctypes.c_void_p
MOST_KERNELS = 128         # kernels kept in memory
_LOCK = threading.RLock()  # LLVM's global state and the table of kernels
_KERNELS: OrderedDict[str, Kernel] = OrderedDict()


@dataclass(frozen=True)
class Target:
    """What code is made for.

    Attributes
    ----------
    triple, cpu, features : str
        In LLVM's spelling.
    width : int
        Doubles in one native vector.
    version : str
        Of llvmlite and LLVM.
    """

    triple: str
    cpu: str
    features: str
    width: int
    version: str


@cache
def available() -> bool:
    """Whether kernels can be compiled: llvmlite is installed and knows this processor."""
    if importlib.util.find_spec("llvmlite") is None:
        return False
    try:
        native_target()
    except Exception as error:  # a broken installation must not stop the slower way, which needs none
        LOG.warning("llvmlite is installed but does not work (%s); slower code is used", error)
        return False
    return True


@cache
def native_target() -> Target:
    """Return what this processor is.

    Raises
    ------
    IntegrationError
        If llvmlite is not installed or too old.
    """
    try:
        import llvmlite
        from llvmlite import binding
    except ImportError as error:
        raise IntegrationError("Compiling a kernel needs the package 'llvmlite', which is not installed; "
                               "run: python -m pip install llvmlite") from error
    if binding.llvm_version_info[0] < 20:
        raise IntegrationError(f"Compiling a kernel needs llvmlite 0.45 or later, and {llvmlite.__version__} is installed; "
                               "run: python -m pip install --upgrade llvmlite")
    with _LOCK:
        try:
            binding.initialize()
        except RuntimeError:
            pass  # newer versions initialise themselves and refuse to be asked
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        known = binding.get_host_cpu_features()
        width = 8 if known.get("avx512f") else 4 if known.get("avx") else 2
        # LLVM would halve the vectors of these processors by itself
        features = known.flatten() + (",-prefer-256-bit" if width == 8 else "")
        version = f"llvmlite {llvmlite.__version__}, LLVM {'.'.join(map(str, binding.llvm_version_info))}"
        return Target(binding.get_process_triple(), binding.get_host_cpu_name(), features, width, version)


class Kernel:
    """Compiled code; ``function`` gives its functions.

    Python's lock is released while a function runs.
    """

    def __init__(self, code: bytes, target: Target) -> None:
        from llvmlite import binding

        # an engine needs a module, although all code is in the object file
        empty = binding.parse_assembly(f'target triple = "{target.triple}"\n')
        # one block of memory for code and constants: in two they can lie further apart than addresses relative to the code
        # reach, and LLVM then ends the process
        self._engine = binding.create_mcjit_compiler(empty, _machine(target), use_lmm=True)
        self._engine.add_object_file(binding.ObjectFileRef.from_data(code))
        self._engine.finalize_object()

    def function(self, name: str, arguments: Sequence[Any], returns: Any = None) -> Callable[..., Any]:
        """Return a function by name; argument types are those of ctypes (ADDRESS for arrays)."""
        with _LOCK:
            address = self._engine.get_function_address(name)
        if not address:
            raise IntegrationError(f"The compiled kernel has no function '{name}'.")
        called = ctypes.CFUNCTYPE(returns, *arguments)(address)
        called.kernel = self  # type: ignore[attr-defined]  # the code lives as long as the function
        return called


def compile_kernel(text: str, target: Target | None = None, *, clean: bool = False) -> Kernel:
    """Return the compiled form of LLVM IR, from memory or disk where it was compiled before.

    Parameters
    ----------
    text : str
        LLVM IR.
    target : Target, optional
        This processor when not given.
    clean : bool
        The text has no common subexpressions and nothing that could move out of its loops: variables are put into
        registers and the rest is left as it is, which saves a third of the time.

    Returns
    -------
    Kernel

    Raises
    ------
    IntegrationError
        If llvmlite is not installed or LLVM refuses the text.
    """
    target = target or native_target()
    key = hashlib.sha256("\0".join((target.triple, target.cpu, target.features, target.version,
                                    str(clean), text)).encode()).hexdigest()
    with _LOCK:
        if key in _KERNELS:
            _KERNELS.move_to_end(key)
            return _KERNELS[key]
        code = kept_code.read(key)
        kernel = _load(code, target) if code else None
        if kernel is None:
            code = _object_code(text, target, clean)
            kernel = Kernel(code, target)
            kept_code.write(key, code)
        _KERNELS[key] = kernel
        if len(_KERNELS) > MOST_KERNELS:
            _KERNELS.popitem(last=False)
        return kernel


def _load(code: bytes, target: Target) -> Kernel | None:
    try:
        return Kernel(code, target)
    except RuntimeError as error:
        LOG.info("a kept kernel could not be loaded (%s); it is made again", error)
        return None


def _machine(target: Target) -> Any:
    from llvmlite import binding

    # addresses relative to the code: the default for compiled-at-run-time code loads each constant's address first
    small = platform.machine().lower() in ("x86_64", "amd64")
    model = {"reloc": "pic", "codemodel": "small"} if small else {"reloc": "default", "codemodel": "jitdefault"}
    return binding.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=2, jit=True, **model)


def _object_code(text: str, target: Target, clean: bool) -> bytes:
    from llvmlite import binding

    machine = _machine(target)
    try:
        module = binding.parse_assembly(f'target triple = "{target.triple}"\n'
                                        f'target datalayout = "{machine.target_data}"\n{text}')
        module.verify()
    except RuntimeError as error:
        raise IntegrationError(f"LLVM refuses a generated kernel: {error}") from error
    options = binding.create_pipeline_tuning_options(speed_level=2)
    # vectors are written out already: looking for more costs time and would change nothing for the better
    options.loop_vectorization = options.slp_vectorization = False
    options.loop_unrolling = False
    builder = binding.create_pass_builder(machine, options)
    passes = builder.getModulePassManager()
    if clean and hasattr(binding, "create_new_module_pass_manager"):
        passes = binding.create_new_module_pass_manager()
        passes.add_sroa_pass()
        passes.add_simplify_cfg_pass()
    passes.run(module, builder)
    return machine.emit_object(module)
