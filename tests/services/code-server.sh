#!/usr/bin/env bash
# Installs code-server (VS Code in a browser) into a cache folder, once for each version, and prints its command.
# Its own install script fetches from elsewhere; everything here comes from Debian and the npm registry.
set -euo pipefail
# A script of node-pty asks npx for node-gyp.
export npm_config_yes=true
version=4.100.3
home=${DTM_SERVICES:-${XDG_CACHE_HOME:-$HOME/.cache}/dtm-services}/code-server-$version
if [ ! -e "$home/.done" ]; then
  need=()
  command -v rg >/dev/null || need+=(ripgrep)
  [ -e /usr/include/krb5.h ] || need+=(libkrb5-dev)
  command -v chromium >/dev/null || need+=(chromium)
  if [ ${#need[@]} -gt 0 ]; then
    apt-get update -q >&2 && apt-get install -y -q --no-install-recommends "${need[@]}" >&2
  fi
  rm -rf "$home" && mkdir -p "$home"
  cd "$home"
  echo '{}' > package.json
  npm install --no-audit --no-fund --ignore-scripts "code-server@$version" playwright-core@1.56.1 >&2
  cd node_modules/code-server
  (
    cd lib/vscode
    npm install --no-audit --no-fund --ignore-scripts --omit=dev >&2
    npm rebuild @parcel/watcher @vscode/spdlog native-watchdog node-pty kerberos >&2
    mkdir -p node_modules/@vscode/ripgrep/bin
    ln -sf "$(command -v rg)" node_modules/@vscode/ripgrep/bin/rg
    ln -sfn node_modules node_modules.asar
  )
  # The installer puts it beside code-server.
  (cd "$home" && npm rebuild argon2 >&2)
  touch "$home/.done"
fi
echo "$home"
