"""The pytest plugin as its users have it: small projects run by a pytest of their own, on the real local service."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Project:
    """A folder with tests.

    Attributes:
        folder: where they are.
    """

    folder: Path

    def run(
        self, tests: str, *options: str, installed: bool = False, variables: Mapping[str, str] | None = None
    ) -> str:
        """Run the tests; ``installed`` finds the plugin as a user's pytest does, else only it is loaded (faster)."""
        (self.folder / "test_it.py").write_text(textwrap.dedent(tests), encoding="utf-8")
        (self.folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n", encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={self.folder / 'tmp'}"]
        environment = {**os.environ, "HOME": str(self.folder), **(variables or {})}
        if not installed:
            command += ["-p", "azure_batch_endpoints.pytest_plugin"]
            environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        done = subprocess.run(
            [*command, *options], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=250
        )
        return done.stdout + done.stderr

    @property
    def services(self) -> list[Path]:
        """Root folders that a service was started on."""
        return sorted(path.parent for path in self.folder.rglob("service.log"))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_nothing_starts_until_a_fixture_is_asked_for(project: Project) -> None:
    done = project.run("def test_nothing() -> None:\n    pass\n", installed=True)

    assert "1 passed" in done
    assert project.services == []


def test_a_function_is_scored_behind_an_endpoint_that_is_gone_after_the_test(project: Project) -> None:
    done = project.run(
        """
        import os

        def measure(mini_batch: list[str]) -> list[str]:
            assert mini_batch, "a mini-batch is never empty"
            return [f"{os.path.basename(path)}:{os.path.getsize(path)}" for path in mini_batch]

        def test_rows(batch_endpoint, tmp_path):
            (tmp_path / "in").mkdir()
            for name in "abc":
                (tmp_path / "in" / f"{name}.txt").write_text(name * 3)

            job = batch_endpoint(measure).invoke(tmp_path / "in").wait(timeout=150)

            assert job.results.to_pandas()[0].tolist() == ["a.txt:3", "b.txt:3", "c.txt:3"]

        def test_nothing_is_left(batch_client):
            assert list(batch_client.endpoints.list()) == []
        """,
        installed=True,
    )

    assert "2 passed" in done, done
    assert len(project.services) == 1
    assert not (project.services[0] / "service.json").exists()


def test_text_init_settings_and_specs_are_taken(project: Project) -> None:
    done = project.run(
        """
        from azure_batch_endpoints import DeploymentSpec, RunSettings

        def load():
            global factor
            factor = 7

        def score(mini_batch):
            return [len(mini_batch) * factor for _ in mini_batch]

        SCRIPT = '''
            def init():
                pass
            def run(mini_batch):
                return ["from text"] * len(mini_batch)
        '''

        def test_init_and_settings(batch_endpoint, tmp_path):
            for name in "ab":
                (tmp_path / name).write_text(name)
            endpoint = batch_endpoint(score, init=load, settings=RunSettings(mini_batch_size=2))

            assert endpoint.invoke(tmp_path).wait(timeout=150).results.to_pandas()[0].tolist() == [14, 14]

        def test_text_in_a_spec(batch_endpoint, scoring_script, tmp_path):
            (tmp_path / "a").write_text("a")
            script = scoring_script(SCRIPT)
            spec = DeploymentSpec(name="mine", model=script, code=script.parent, scoring_script=script.name)
            endpoint = batch_endpoint(spec)

            assert endpoint.default_deployment_name == "mine"
            assert endpoint.invoke(tmp_path).wait(timeout=150).results.to_pandas()[0].tolist() == ["from text"]
        """
    )

    assert "2 passed" in done, done


def test_what_a_function_uses_of_other_modules_comes_along(project: Project) -> None:
    done = project.run(
        """
        import json as reader
        from os.path import basename as name_of
        from pathlib import Path

        def read(mini_batch):
            return [f"{name_of(path)}: {reader.loads(Path(path).read_text())}" for path in mini_batch]

        def test_imports(scoring_script):
            script = scoring_script(read).read_text()

            scope = {}
            exec(compile(script, "score.py", "exec"), scope)
            folder = Path(__file__).parent
            (folder / "a.json").write_text("[1]")
            assert scope["run"]([str(folder / "a.json")]) == ["a.json: [1]"]
        """
    )

    assert "1 passed" in done, done


def test_a_function_that_cannot_stand_alone_is_refused_with_what_it_lacks(project: Project) -> None:
    done = project.run(
        """
        import pytest
        from azure_batch_endpoints import DeploymentSpec

        LIMIT = 3

        def limited(mini_batch):
            return mini_batch[:LIMIT]

        def test_a_name_of_the_module(scoring_script):
            with pytest.raises(ValueError, match="'limited' uses 'LIMIT'"):
                scoring_script(limited)

        def test_a_lambda(scoring_script):
            with pytest.raises(ValueError, match="lambda"):
                scoring_script(lambda mini_batch: mini_batch)

        def test_a_closure(scoring_script):
            rows = [1]

            def inner(mini_batch):
                return rows

            with pytest.raises(ValueError, match="around it"):
                scoring_script(inner)

        def test_fields_beside_a_spec(batch_endpoint, scoring_script):
            script = scoring_script("def init(): pass\\ndef run(mini_batch): return mini_batch\\n")
            spec = DeploymentSpec(name="mine", model=script, code=script.parent, scoring_script=script.name)
            with pytest.raises(ValueError, match="has all its fields"):
                batch_endpoint(spec, description="more")
        """
    )

    assert "4 passed" in done, done


def test_batch_cloud_takes_the_workspace_that_is_configured_and_starts_no_service(project: Project) -> None:
    names = {"AZURE_SUBSCRIPTION_ID": "s", "AZURE_RESOURCE_GROUP": "g", "AZUREML_WORKSPACE_NAME": "w"}

    done = project.run(
        """
        def test_workspace(batch_client):
            assert (batch_client.workspace, batch_client.local_service) == ("w", None)
        """,
        "--batch-cloud",
        variables=names,
    )

    assert "1 passed" in done, done
    assert project.services == []


def test_the_page_about_testing_is_true(project: Project) -> None:
    page = Path(__file__).parents[2] / "docs" / "testing.md"
    block = re.search(r"^```py\n(.*?)^```$", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert block is not None

    done = project.run(block[1])

    assert "2 passed" in done, done
