"""Check every pinned dependency for known vulnerabilities, and say how many the service knew at all.

Exit status 0: all were audited and none is vulnerable; 1: at least one is; 2: something could not be audited. Arguments
are passed to pip-audit: `--vulnerability-service osv` asks another service.
"""

import json
import subprocess
import sys
from pathlib import Path

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"


def main(arguments: list[str]) -> int:
    """Run pip-audit on the constraints and print its findings, one line each."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(CONSTRAINTS), "--no-deps", "--disable-pip"]
    command += ["--format", "json", "--progress-spinner", "off", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        print(f"audit: nothing was audited: {reason}", file=sys.stderr)
        return 2
    audited = [dependency for dependency in dependencies if "vulns" in dependency]
    if not audited:
        print(
            f"audit: nothing was audited: the service knows none of {len(dependencies)} packages; run it where PyPI's "
            "vulnerability service can be reached, or try AUDIT='--vulnerability-service osv'",
            file=sys.stderr,
        )
        return 2
    return report(audited, len(dependencies) - len(audited))


def report(audited: list[dict[str, object]], unknown: int) -> int:
    """Print each vulnerability and the totals, and return the exit status."""
    vulnerable = [dependency for dependency in audited if dependency["vulns"]]
    for dependency in vulnerable:
        for found in dependency["vulns"]:  # type: ignore[attr-defined]
            fixed = ", ".join(found["fix_versions"]) or "no release yet"
            print(f"{dependency['name']} {dependency['version']}: {found['id']}, fixed in {fixed}")
    print(f"audit: {len(audited)} packages audited, {len(vulnerable)} vulnerable, {unknown} unknown to the service")
    return 1 if vulnerable else 2 if unknown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
