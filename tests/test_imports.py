"""The public names: loaded late, listed once, documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import polyoptim

PACKAGE = Path(polyoptim.__file__).resolve().parent


def run(code: str) -> str:
    prelude = f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); "
    done = subprocess.run([sys.executable, "-I", "-c", prelude + code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_import_loads_neither_torch_nor_numpy() -> None:
    heavy = "{'torch', 'numpy', 'pandas', 'matplotlib', 'click', 'rich', 'scipy', 'flint'}"
    assert run(f"import polyoptim; dir(polyoptim); print({heavy} & set(sys.modules))") == "set()"


def test_errors_load_neither_torch_nor_numpy() -> None:
    code = "import polyoptim; polyoptim.ArgumentError, polyoptim.ResultFileError; "
    assert run(f"{code}print({{'torch', 'numpy'}} & set(sys.modules))") == "set()"


def test_result_and_load_do_not_load_torch() -> None:
    assert (
        run("import polyoptim; polyoptim.load, polyoptim.Result, polyoptim.Trace; print('torch' in sys.modules)")
        == "False"
    )


def test_stub_lists_the_names_of_the_package() -> None:
    tree = ast.parse((PACKAGE / "__init__.pyi").read_text())
    listed = {alias.asname for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    listed |= {
        node.target.id for node in tree.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    assert listed == set(dir(polyoptim))


def test_stub_takes_each_name_from_its_place() -> None:
    tree = ast.parse((PACKAGE / "__init__.pyi").read_text())
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                module = importlib.import_module(str(node.module))
                assert getattr(module, alias.name) is getattr(polyoptim, alias.name)


@pytest.mark.parametrize("name", dir(polyoptim))
def test_public_name_is_there_and_documented(name: str) -> None:
    found = getattr(polyoptim, name)
    if name == "__version__":
        assert isinstance(found, str)
        return
    assert inspect.getdoc(found)
    if inspect.isclass(found):
        assert found.__doc__
        for member, value in vars(found).items():
            if not member.startswith("_") and callable(value):
                assert inspect.getdoc(value), f"{name}.{member}"


def test_dir_lists_the_public_names() -> None:
    assert set(dir(polyoptim)) == {*polyoptim.__all__, "PolynomialRegressor"}
    with pytest.raises(AttributeError, match="nothing"):
        _ = polyoptim.nothing  # type: ignore[attr-defined]


def test_estimator_says_what_to_install_where_scikit_learn_is_missing() -> None:
    code = (
        "sys.modules['sklearn'] = None\nimport polyoptim\nfrom polyoptim import *\n"
        "try:\n    polyoptim.PolynomialRegressor\nexcept MissingDependencyError as error:\n    print(error)"
    )
    assert run(code) == (
        "estimator 'PolynomialRegressor' needs sklearn, which is not installed. "
        "Install it with: pip install 'polyoptim[sklearn]'"
    )


def test_star_import_gives_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from polyoptim import *", names)  # noqa: S102 - what a user types
    assert set(polyoptim.__all__) <= set(names)


def modules() -> list[str]:
    return sorted(
        found.name
        for found in pkgutil.walk_packages([str(PACKAGE)], "polyoptim.")
        if not found.name.endswith("__main__")
    )


def test_no_function_hides_a_module() -> None:
    for package in {name.rpartition(".")[0] for name in modules()}:
        inside = {name.rpartition(".")[2] for name in modules() if name.rpartition(".")[0] == package}
        loaded = importlib.import_module(package)
        for name in inside:
            importlib.import_module(f"{package}.{name}")
            found = getattr(loaded, name)
            assert inspect.ismodule(found), f"{package}.{name} is hidden by {found!r}"
    assert set(polyoptim.__all__) & {name.split(".")[1] for name in modules()} == {"nn", "callbacks"}


@pytest.mark.parametrize("name", modules())
def test_module_can_be_imported_first(name: str) -> None:
    """No module depends on another having been imported before it."""
    for part in [key for key in sys.modules if key == name]:
        assert importlib.import_module(part)
    assert importlib.import_module(name).__doc__


def test_version_is_that_of_the_project() -> None:
    import tomllib

    project = PACKAGE.parents[1] / "pyproject.toml"
    assert tomllib.loads(project.read_text())["project"]["version"] == polyoptim.__version__


def test_errors_are_also_pythons_own() -> None:
    for name in polyoptim.__all__:
        found = getattr(polyoptim, name)
        if inspect.isclass(found) and issubclass(found, Exception):
            assert issubclass(found, (polyoptim.PolyoptimError, Warning))
            if issubclass(found, Warning):
                assert issubclass(found, UserWarning)
            elif found is not polyoptim.PolyoptimError:
                assert issubclass(found, (ValueError, TypeError, ImportError, RuntimeError))
