#!/usr/bin/env bash
# The story of the how-to in the words of `az ml`, said to `abe`. Runs in a folder with the two deployments' files and
# pictures; writes what it saw to the file "seen", a name and a value a line.
set -euo pipefail

endpoint=$1
see() { echo "$1=$2" >> seen; }

status_of() { abe job show -n "$1" --query status -o tsv; }

# A place to score, an endpoint, and a deployment with a script of its own as the default.
abe compute create -n batch-cluster --type amlcompute --min-instances 0 --max-instances 5 --tags team=vision use=howto
abe batch-endpoint create --name "$endpoint"
abe batch-deployment create --name nonmlflowdp --endpoint-name "$endpoint" --file scripted.yml --set-default
see endpoint "$(abe batch-endpoint show -n "$endpoint" --query "[provisioning_state, defaults.deployment_name] | join(' ', @)" -o tsv)"
see batch "$(abe batch-deployment show --name nonmlflowdp --endpoint-name "$endpoint" | jq .mini_batch_size)"

# A job over a folder in storage.
pictures=$(abe data create -f pictures.yml --query path -o tsv)
job=$(abe batch-endpoint invoke --name "$endpoint" --input-path "folder:$pictures" --query name -o tsv)
see page "$(abe job show -n "$job" --web --query services.Studio.endpoint -o tsv)"
abe job stream -n "$job"
see first "$(status_of "$job")"

# The results in a place and under a name of one's own, other settings for this job alone.
job=$(abe batch-endpoint invoke --name "$endpoint" --input azureml:pictures@latest \
    --output-path "folder:azureml://datastores/workspaceblobstore/paths/$endpoint" --set output_file_name=mine.csv \
    --mini-batch-size 1 --instance-count 2 --set max_concurrency_per_instance=1 retry_settings.max_retries=2 \
    | jq -r .name)
abe job stream -n "$job"
abe job download --name "$job" --output-name score --download-path ./
abe job download --name "$job" --output-name score --download-path ./  # as often as one likes
see second "$(abe job show -n "$job" --query "[status, outputs.score.path]" -o tsv | tr '\n' ' ')"

# An MLflow model beside it, tried before it becomes the default.
abe batch-deployment create --name mlflowdp --endpoint-name "$endpoint" --file mlflow.yml
job=$(abe batch-endpoint invoke --name "$endpoint" --deployment-name mlflowdp \
    --input-local-path table.csv --query name -o tsv)
see kept "$(abe batch-endpoint update -n "$endpoint" --set tags.seen=yes --query defaults.deployment_name -o tsv)"
see switched "$(abe batch-endpoint update --name "$endpoint" --defaults deployment_name=mlflowdp | jq -r .defaults.deployment_name)"
see updated "$(abe batch-deployment update -n nonmlflowdp -e "$endpoint" --set mini_batch_size=7 \
    --query "[mini_batch_size, max_concurrency_per_instance]" -o tsv | tr '\n' ' ')"
abe job stream -n "$job"
see mlflow "$(status_of "$job")"
see scripted "$(abe batch-deployment list-jobs --name nonmlflowdp --endpoint-name "$endpoint" --query [].name -o tsv | wc -l)"

# The same by HTTP.
uri=$(abe batch-endpoint show --name "$endpoint" --query scoring_uri -o tsv)
token=$(abe local token)
answer=$(curl --silent --show-error --location --request POST "$uri" --header "Authorization: Bearer $token" \
    --header "Content-Type: application/json" --header "azureml-model-deployment: nonmlflowdp" \
    --data-raw "{\"properties\": {\"dataset\": {\"dataInputType\": \"DataUrl\", \"Path\": \"$pictures\"}}}")
id=$(jq -r .id <<< "$answer")
abe job wait "${id##*/}" -o none
see rest "$(curl --silent --show-error "$uri/${id##*/}" --header "Authorization: Bearer $token" | jq -r .properties.status)"

abe batch-deployment delete --name nonmlflowdp --endpoint-name "$endpoint" --yes
see left "$(abe batch-deployment list -e "$endpoint" --query [].name -o tsv)"
abe batch-endpoint delete --name "$endpoint" --yes
see gone "$(abe batch-endpoint list -o tsv)"
see jobs "$(abe job list --query "length([?endpoint_name=='$endpoint'])")"
