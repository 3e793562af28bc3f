# Vault Agent for docker/compose.vault.yml: signs in as an application, and keeps one file per secret up to date under
# /run/secrets, in memory. Files are replaced as a whole, so that nobody reads half of one. Where Vault is (VAULT_ADDR) comes
# from the environment.

auto_auth {
  method "approle" {
    config = {
      role_id_file_path                   = "/vault/approle/role-id"
      secret_id_file_path                 = "/vault/approle/secret-id"
      # Read again at the next sign-in: the agent may be restarted.
      remove_secret_id_file_after_reading = false
    }
  }
}

template_config {
  # How soon a change in Vault reaches the services (a second later); Vault's default is five minutes.
  static_secret_render_interval = "10s"
  # Without Vault, what was written last stays.
  exit_on_retry_failure         = false
}

# In this order they are written. First what may be missing: then the file is empty. A value before a rotation comes before
# the one after it: whoever sees the new one finds the old one. `.env` says whether your own token and key are used or the
# emulators'.

template {
  destination = "/run/secrets/internal-api-key.previous"
  perms       = "0600"
  contents    = "{{ with secret \"secret/data/pyairtable\" }}{{ with index .Data.data \"internal_api_key_previous\" }}{{ . | trimSpace }}{{ end }}{{ end }}"
}

template {
  destination = "/run/secrets/operator-api-key.previous"
  perms       = "0600"
  contents    = "{{ with secret \"secret/data/pyairtable\" }}{{ with index .Data.data \"operator_api_key_previous\" }}{{ . | trimSpace }}{{ end }}{{ end }}"
}

template {
  destination = "/run/secrets/airtable-token"
  perms       = "0600"
  contents    = "{{ with secret \"secret/data/pyairtable\" }}{{ with index .Data.data \"airtable_token\" }}{{ . | trimSpace }}{{ end }}{{ end }}"
}

template {
  destination = "/run/secrets/gemini-api-key"
  perms       = "0600"
  contents    = "{{ with secret \"secret/data/pyairtable\" }}{{ with index .Data.data \"gemini_api_key\" }}{{ . | trimSpace }}{{ end }}{{ end }}"
}

template {
  destination = "/run/secrets/airtable-emulator-token"
  perms       = "0600"
  contents    = "{{ with secret \"secret/data/pyairtable\" }}{{ with index .Data.data \"airtable_emulator_token\" }}{{ . | trimSpace }}{{ end }}{{ end }}"
}

template {
  destination = "/run/secrets/gemini-emulator-key"
  perms       = "0600"
  contents    = "{{ with secret \"secret/data/pyairtable\" }}{{ with index .Data.data \"gemini_emulator_key\" }}{{ . | trimSpace }}{{ end }}{{ end }}"
}

# What must be there. The agent is healthy when these are, and then the others are too.

template {
  destination          = "/run/secrets/internal-api-key"
  perms                = "0600"
  error_on_missing_key = true
  contents             = "{{ with secret \"secret/data/pyairtable\" }}{{ .Data.data.internal_api_key | trimSpace }}{{ end }}"
}

template {
  destination          = "/run/secrets/operator-api-key"
  perms                = "0600"
  error_on_missing_key = true
  contents             = "{{ with secret \"secret/data/pyairtable\" }}{{ .Data.data.operator_api_key | trimSpace }}{{ end }}"
}

template {
  destination          = "/run/secrets/postgres-password"
  perms                = "0600"
  error_on_missing_key = true
  contents             = "{{ with secret \"secret/data/pyairtable\" }}{{ .Data.data.postgres_password | trimSpace }}{{ end }}"
}

template {
  destination          = "/run/secrets/redis-password"
  perms                = "0600"
  error_on_missing_key = true
  contents             = "{{ with secret \"secret/data/pyairtable\" }}{{ .Data.data.redis_password | trimSpace }}{{ end }}"
}
