"""The folder that a worker puts last on `sys.path`: stand-ins for packages that scripts find on Azure."""
