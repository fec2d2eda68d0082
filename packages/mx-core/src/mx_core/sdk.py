"""Where the C headers for kernel and device packages are: ``python -m mx_core.sdk`` prints the folder.

A package's CMakeLists.txt asks for it:

    execute_process(COMMAND "${Python_EXECUTABLE}" -m mx_core.sdk OUTPUT_VARIABLE MX_CORE_INCLUDE
                    OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["include_folder"]


def include_folder() -> Path:
    """The folder to give the compiler with -I; it holds mx/abi.h, mx/kernel.h and mx/pointwise.h.

    Raises FileNotFoundError where the headers are missing from the installation.

    >>> (include_folder() / "mx" / "abi.h").is_file()
    True
    """
    import mx_core

    # An editable install has two folders: the sources, and the one CMake installed into. Sources that are only
    # on the path have the headers two folders up.
    folders = [Path(folder) for folder in mx_core.__path__]
    places = [folder / "include" for folder in folders] + [folder.parents[1] / "include" for folder in folders]
    for place in places:
        if (place / "mx" / "abi.h").is_file():
            return place
    msg = f"mx/abi.h is in none of {', '.join(map(str, places))}; pip install --force-reinstall mx-core"
    raise FileNotFoundError(msg)


if __name__ == "__main__":
    print(include_folder())
