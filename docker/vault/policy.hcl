# What the agent may do: read one secret.
path "secret/data/pyairtable" {
  capabilities = ["read"]
}
