# Checks a Patchkeep audit bundle on Windows (PowerShell 5.1 or newer, ssh-keygen.exe of the OpenSSH Client).
# In the unpacked folder:  powershell -ExecutionPolicy Bypass -File verify.ps1 [SHA256:fingerprint]
# The fingerprint must reach you apart from this bundle. This script has not been run on Windows: where it
# fails, PROCEDURE.txt says the same steps by hand. It does not check the log's proofs; verify.sh does.
param([string]$Fingerprint)
$ErrorActionPreference = 'Stop'
Set-Location -LiteralPath $PSScriptRoot
$total = 0; $held = 0
function Check([string]$What, [bool]$Holds) {
  $script:total++
  if ($Holds) { $script:held++; Write-Output "holds          $What" }
  else { Write-Output "DOES NOT HOLD  $What" }
}
$keygen = (Get-Command ssh-keygen.exe -ErrorAction SilentlyContinue).Source
if (-not $keygen) { Write-Output 'This desk has no ssh-keygen.exe: add the optional feature "OpenSSH Client".'; exit 2 }

# 1. Whose key it is: SHA-256 over the key in allowed_signers, as ssh-keygen shows it.
$line = (Get-Content -LiteralPath 'allowed_signers' -TotalCount 1).Trim()
$blob = [Convert]::FromBase64String($line.Split(' ')[-1])
$digest = [Security.Cryptography.SHA256]::Create().ComputeHash($blob)
$key = 'SHA256:' + [Convert]::ToBase64String($digest).TrimEnd('=')
if ($Fingerprint) { Check "the key is the one that you named: $Fingerprint" ($key -ceq $Fingerprint) }
else { Write-Output "not checked    whose key this is: you gave no fingerprint. Compare it with the appliance's screen or paper: $key" }

# 2. The SSH signature over manifest.json. cmd hands the bytes over unchanged; a PowerShell pipe would not.
cmd.exe /d /c "`"$keygen`" -Y verify -f allowed_signers -I audit@patchkeep -n audit-bundle@patchkeep -s manifest.json.sig < manifest.json >nul 2>&1"
Check "the key's SSH signature over manifest.json" ($LASTEXITCODE -eq 0)
Write-Output 'not checked    the Ed25519 signature, the checkpoint and the proofs: they need openssl or verify.sh'

# 3. Every file that the manifest lists, and no other.
$root = (Get-Location).ProviderPath.TrimEnd('\') + '\'
$manifest = Get-Content -LiteralPath 'manifest.json' -Raw -Encoding UTF8 | ConvertFrom-Json
$listed = @{}
$bad = 0
foreach ($file in $manifest.files) {
  $listed[$file.path] = $true
  $path = $root + $file.path.Replace('/', '\')
  $is = if (Test-Path -LiteralPath $path -PathType Leaf) { (Get-FileHash -LiteralPath $path -Algorithm SHA256).Hash } else { 'missing' }
  if ($is -ne $file.sha256) { $bad++; Write-Output "               changed or missing: $($file.path)" }
}
Check "every file that the manifest lists has the listed SHA-256 ($($listed.Count) files)" (($bad -eq 0) -and ($listed.Count -gt 0))
foreach ($name in 'manifest.json', 'manifest.json.sig', 'manifest.json.ed25519') { $listed[$name] = $true }
$extra = @(Get-ChildItem -LiteralPath $root -Recurse -File -Force |
  ForEach-Object { $_.FullName.Substring($root.Length).Replace('\', '/') } | Where-Object { -not $listed.ContainsKey($_) })
foreach ($name in $extra) { Write-Output "               not listed: $name" }
Check 'no file is here that the manifest does not list' ($extra.Count -eq 0)

Write-Output 'not checked    acts that were never logged: no log can prove that there were none'
Write-Output "$held of $total checks hold."
if ($held -eq $total) { Write-Output 'Everything that this script could check holds.'; exit 0 }
Write-Output 'Do not rely on this bundle: a check did not hold.'
exit 1
