"""For scripts that import `azureml_user`, which on Azure is where they run."""
