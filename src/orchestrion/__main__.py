"""Runs the command line as `python -m orchestrion`; must not do anything else."""

from orchestrion.cli import main

main(prog_name="orchestrion")
