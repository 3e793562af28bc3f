"""The example for Vault fits the rest: same secrets, same services. Vault itself is not run."""

import re
import shutil

import yaml
from project import GENERATED, SCRIPTS, make_project

DOCKER = SCRIPTS.parent / "docker"
GIVEN = ["airtable-token", "gemini-api-key"]
PREVIOUS = ["internal-api-key.previous", "operator-api-key.previous"]


def test_the_agent_writes_every_secret_and_a_value_before_a_rotation_first():
    text = (DOCKER / "vault/agent.hcl").read_text()
    blocks = dict(re.findall(r'template \{\n  destination +=  *"/run/secrets/([a-z.-]+)"\n(.*?)\n\}', text, re.DOTALL))
    assert sorted(blocks) == sorted([*GENERATED, *GIVEN, *PREVIOUS])
    order = list(blocks)
    for name in PREVIOUS:
        assert order.index(name) < order.index(name.removesuffix(".previous"))
    health = (DOCKER / "compose.vault.yml").read_text()
    needed = re.findall(r"test -s ([a-z-]+)", health)
    assert order[-len(needed) :] == needed, "healthy means that all are there"
    for name, block in blocks.items():
        assert name.replace("-", "_").replace(".", "_") in block and '"0600"' in block
        assert ("error_on_missing_key" in block) == (name in needed)


def test_every_service_gets_its_secrets_from_the_agent():
    services = yaml.safe_load((SCRIPTS.parent / "docker-compose.minimal-working.yml").read_text())["services"]
    overlay = yaml.safe_load((DOCKER / "compose.vault.yml").read_text())["services"]
    assert set(overlay) == {*services, "vault-agent"}
    for name in services:
        assert overlay[name]["volumes"] == ["vault-secrets:/run/secrets:ro"]
        assert overlay[name]["depends_on"] == {"vault-agent": {"condition": "service_healthy"}}
    agent = overlay["vault-agent"]
    assert agent["cap_drop"] == ["ALL"] and agent["read_only"] and "ports" not in agent


def test_all_values_go_into_vault_at_once_and_none_by_an_argument(tmp_path):
    project = make_project(tmp_path / "a project")
    shutil.copytree(DOCKER, project.path / "docker")
    fakes = tmp_path / "bin"
    fakes.mkdir()
    (fakes / "vault").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>"{tmp_path}/asked"\n')
    (fakes / "vault").chmod(0o755)

    def put():
        return project.run(script="../docker/vault/put-secrets.sh", path_first=fakes)

    assert "generate-secure-credentials.sh" in put().stderr
    project.generate()
    project.generate("--rotate", "internal-api-key")
    result = put()
    assert result.returncode == 0 and "put 7 values" in result.stdout, result.stderr
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[:4] == ["kv", "put", "-mount=secret", "pyairtable"]
    assert "internal_api_key=@secrets/internal-api-key" in asked
    assert "internal_api_key_previous=@secrets/internal-api-key.previous" in asked
