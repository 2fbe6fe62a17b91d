#!/usr/bin/env bash
# The story of the how-to by HTTP alone: curl, jq and the bodies of api-version 2021-10-01.
# Wants BASE_URL, TOKEN, SUBSCRIPTION, GROUP and WORKSPACE; writes what it saw to the file "seen".
set -euo pipefail

version=api-version=2021-10-01
id=/subscriptions/$SUBSCRIPTION/resourceGroups/$GROUP/providers/Microsoft.MachineLearningServices/workspaces/$WORKSPACE
endpoint=$1
see() { echo "$1=$2" >> seen; }
call() {  # method, URL, body
    curl --silent --show-error --location --request "$1" "$2" --header "Authorization: Bearer $TOKEN" \
        --header "Content-Type: application/json" ${3:+--data-raw "$3"}
}
manage() { call "$1" "$BASE_URL$id/$2?$version" "${3:-}"; }
until_done() {  # URL of an operation or a job
    local status=
    until [[ $status == Succeeded || $status == Completed || $status == Failed || $status == Canceled ]]; do
        sleep 0.1
        status=$(call GET "$1" | jq -r '.status // .properties.status // "Failed"')
    done
    echo "$status"
}
operation() { until_done "$(jq -r .properties.properties.AzureAsyncOperationUri)"; }

# Where files go: the default datastore, and the key of its account.
store=$(call GET "$BASE_URL$id/datastores?$version&isDefault=true" | jq .value[0].properties)
name=$(call GET "$BASE_URL$id/datastores?$version&isDefault=true" | jq -r .value[0].name)
key=$(manage POST "datastores/$name/listSecrets" | jq -r .key)
read -r protocol host account container < <(jq -r '"\(.protocol) \(.endpoint) \(.accountName) \(.containerName)"' <<< "$store")
upload() {  # folder here, folder there
    CONNECTION="DefaultEndpointsProtocol=$protocol;AccountName=$account;AccountKey=$key;BlobEndpoint=$protocol://$host/$account" \
        python "$(dirname "$0")/upload.py" "$container" "$1" "$2"
}
upload code score
upload model model
upload pictures pictures

# Code, model, environment, compute.
see code "$(manage PUT codes/score-pictures/versions/1 \
    "{\"properties\": {\"description\": \"a script\", \"codeUri\": \"$protocol://$account.blob.$host/$container/score\"}}" | jq -r .name)"
see model "$(manage PUT models/sizes/versions/1 \
    "{\"properties\": {\"modelUri\": \"azureml://subscriptions/$SUBSCRIPTION/resourceGroups/$GROUP/workspaces/$WORKSPACE/datastores/$name/paths/model\"}}" | jq -r .name)"
conda=$(jq --compact-output . conda.json | jq --raw-input .)
see environment "$(manage PUT environments/plain/versions/7 \
    "{\"properties\": {\"condaFile\": $conda, \"image\": \"some/image:latest\"}}" | jq -r .name)"
see compute "$(manage PUT computes/batch-cluster '{"location": "local", "properties": {"computeType": "AmlCompute",
    "properties": {"osType": "Linux", "vmSize": "STANDARD_D2_V2", "remoteLoginPortPublicAccess": "NotSpecified",
    "scaleSettings": {"maxNodeCount": 5, "minNodeCount": 0}}, }}' | jq -r .properties.computeType)"

# An endpoint, a deployment (numbers as text, a comma too many), and the default by a PUT of the whole endpoint.
see endpoint "$(manage PUT "batchEndpoints/$endpoint" \
    '{"properties": {"authMode": "aadToken"}, "location": "local"}' | operation)"
see deployment "$(manage PUT "batchEndpoints/$endpoint/deployments/scripted" "{\"location\": \"local\", \"properties\": {
    \"model\": {\"referenceType\": \"Id\", \"assetId\": \"$id/models/sizes/versions/1\"},
    \"codeConfiguration\": {\"codeId\": \"$id/codes/score-pictures/versions/1\", \"scoringScript\": \"score.py\"},
    \"environmentId\": \"$id/environments/plain/versions/7\", \"compute\": \"$id/computes/batch-cluster\",
    \"resources\": {\"instanceCount\": 1}, \"maxConcurrencyPerInstance\": \"2\",
    \"retrySettings\": {\"maxRetries\": 3, \"timeout\": \"PT30S\"}, \"errorThreshold\": \"10\",
    \"loggingLevel\": \"info\", \"miniBatchSize\": \"5\", }}" | operation)"
see default "$(manage PUT "batchEndpoints/$endpoint" \
    '{"properties": {"authMode": "aadToken", "defaults": {"deploymentName": "scripted"}}, "location": "local"}' | operation)"
uri=$(manage GET "batchEndpoints/$endpoint" | jq -r .properties.scoringUri)

job() {  # the properties of a job; says how it ended
    local answer
    answer=$(call POST "$uri" "{\"properties\": $1}" | jq -r .id)
    until_done "$uri/${answer##*/}"
}

# The three forms of a data set, and a place for the results.
pictures=$protocol://$host/$account/$container/pictures
see url "$(job "{\"dataset\": {\"dataInputType\": \"DataUrl\", \"Path\": \"$pictures\"}}")"
see dataset "$(manage PUT datasets/pictures/versions/4 "{\"properties\": {\"paths\": [{\"folder\": \"$pictures\"}]}}" | jq -r .name)"
output="\"outputDataset\": {\"datastoreId\": \"$id/datastores/$name\", \"path\": \"$endpoint\"}, \"outputFileName\": \"mine.csv\""
see version "$(job "{\"dataset\": {\"dataInputType\": \"DatasetVersion\", \"datasetName\": \"pictures\", \"datasetVersion\": \"4\"}, $output}")"
see id "$(job "{\"dataset\": {\"dataInputType\": \"DatasetId\", \"datasetId\": \"$id/datasets/pictures/versions/4\"}}")"
see again "$(job "{\"dataset\": {\"dataInputType\": \"DatasetVersion\", \"datasetName\": \"pictures\", \"datasetVersion\": \"4\"}, $output}")"
call GET "$uri" | jq -r '.value[].name' > jobs
see listed "$(wc -l < jobs)"

manage DELETE "batchEndpoints/$endpoint" > deleted
see left "$(cat deleted)"
until [[ $(manage GET "batchEndpoints/$endpoint" | jq -r .error.code) == NotFound ]]; do sleep 0.1; done
see stayed "$(manage GET "jobs/$(head -1 jobs)" | jq -r .properties.status)"
