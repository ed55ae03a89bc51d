"""One place for each thing that modules, programs of the server and the package silo all do."""
