"""What one port is asked to be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a port is asked to be. `keras`: the generation to write for, where `target` is keras and one was named.
    `seed`: of the proof's inputs. `trusted`: whether the file is read in this process, without limits. `suffix`: of the
    model, where not the target's usual one."""

    target: str = "torch"
    keras: int | None = None
    layers_only: bool = False
    standalone: bool = False
    proof: bool = True
    seed: int = 0
    trusted: bool = False
    suffix: str = ""

    def options(self) -> list[str]:
        """The command's options that ask for this."""
        given = {
            "--to": self.target != "torch" and self.target, "--keras": self.keras, "--layers-only": self.layers_only,
            "--standalone": self.standalone, "--no-proof": not self.proof, "--seed": self.seed,
            "--trusted": self.trusted,
        }  # fmt: skip
        return [
            part for name, value in given.items() if value for part in ([name] if value is True else [name, f"{value}"])
        ]
