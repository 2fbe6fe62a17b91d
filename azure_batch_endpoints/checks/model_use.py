"""The model and the script together: what is opened, whether it is whole, and what loading it needs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from azure_batch_endpoints.checks.findings import Finding
from azure_batch_endpoints.checks.model import ModelTree, check_model_paths
from azure_batch_endpoints.checks.modelfiles import PICKLES, check_model_file, pickle_of
from azure_batch_endpoints.checks.packages import is_here, is_standard, package_of
from azure_batch_endpoints.checks.source import Script, module_file

_MOST_CHECKED = 50


def check_model(script: Script, scripts: list[Script], model: Path) -> list[Finding]:
    """Compare a script with the model on this machine."""
    tree = ModelTree.of(model)
    found = [one for each in scripts for one in check_model_paths(each, tree)]
    texts = {one.value for each in scripts for one in ast.walk(each.tree) if isinstance(one, ast.Constant)}
    words = " ".join(one for one in texts if isinstance(one, str))
    files = [model] if model.is_file() else list(_files(model, tree))
    for file in files[:_MOST_CHECKED]:
        found += check_model_file(file, used=file.name in words or (len(files) == 1 and "AZUREML_MODEL_DIR" in words))
        found += _needs(file, script)
    return found


def _files(model: Path, tree: ModelTree) -> Iterator[Path]:
    """Yield the files of a model's folder."""
    own = len(tree.names[0]) + 1
    return (path for one in tree.names[1:] if (path := model / one[own:]).is_file())


def _needs(file: Path, script: Script) -> Iterator[Finding]:
    """Find what a pickle imports when it is loaded and a worker does not have."""
    if file.suffix.lower() not in PICKLES:
        return
    found = pickle_of(file)
    needs = set() if found.fault else found.needs
    own = sorted(name for module, name in needs if module == "__main__")
    if own and not any(_names_main(one) for one in script.top):
        text = (
            f"'{file.name}' holds a '{own[0]}' of '__main__', the program that saved it, which a worker is not. "
            "Move the class into a module of the code folder, import it from there where the model is saved, "
            "and save it again."
        )
        yield Finding("warning", text, file)
    modules = {module.partition(".")[0] for module, _ in needs} - {""}
    for module in sorted(modules):
        local = module_file(script.code, module) or (script.code / module).is_dir()
        if not is_standard(module) and not local and not is_here(module):
            text = (
                f"Loading '{file.name}' imports '{module}', which neither the code folder nor this interpreter has. "
                f"Install '{package_of(module)}', or put the module into the code folder."
            )
            yield Finding("warning", text, file)


def _names_main(node: ast.AST) -> bool:
    """Whether a script reaches for the program's own module: by importing it, or in ``sys.modules``."""
    imported = isinstance(node, ast.Import) and any(alias.name == "__main__" for alias in node.names)
    return imported or (isinstance(node, ast.Constant) and node.value == "__main__")
