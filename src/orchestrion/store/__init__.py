"""Databases: they load rows and save rows, and know no rule."""
