"""Functions that modules, server programs and the package silo share; each exists once."""
