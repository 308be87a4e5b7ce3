<#
.SYNOPSIS
Gets a certificate from Let's Encrypt, or another authority that speaks ACME, and makes
it the active one of a Postern gateway.

.DESCRIPTION
Asks the gateway for the host name of its default domain, orders a certificate for it and
for the alternate names (RFC 8555), lets the gateway's public web listener answer the
http-01 challenges, imports the certificate and activates it, all by XML-RPC. The listener
must be reachable on port 80 of every name. Nothing changes before the authority has
signed for all names. A failure is reported by alert.send.

Needs Windows PowerShell 5.1 with .NET Framework 4.7.2, or PowerShell 7, and no module.
Each run registers an ACME account of its own, so that no key is left behind.

What was run of this script, and what was not: there is no PowerShell where it was
written. It is parsed by tree-sitter-powershell on every change, and what its pure functions
must return is recorded in testdata/SGLetsEncrypt.json: OpenSSL and Python's xmlrpc.client
read those vectors and agree (lint_powershell.py). SGLetsEncrypt.Tests.ps1 holds the functions to the vectors;
it has not been run either. Run it first. letsencrypt.sh makes the same calls and is run.

Exit codes: 0 the certificate is in force; 1 wrong usage; 2 the gateway refused or did not
answer; 3 the authority refused or did not answer; 4 the certificate is active, but
handshakes do not use it yet; 5 a key or request could not be made.

.PARAMETER UserName
An account of the gateway with the role certificate_manager; may be empty with a token.

.PARAMETER Password
Its password, or a token. Others on this machine may read a command line: better use
Credential, or the environment variable POSTERN_PASSWORD.

.PARAMETER Credential
User name and password, as from Get-Credential, in place of UserName and Password.

.PARAMETER AlternateHostNames
Names beside the gateway's own, which is always part of the certificate.

.PARAMETER ErrorEmailTo
Mail addresses that hear of a failure.

.PARAMETER Server
The gateway. Clear HTTP is for this machine only.

.PARAMETER Directory
The directory of the authority.

.PARAMETER KeySize
Bits of the certificate's RSA key: 2048, 3072 or 4096.

.EXAMPLE
.\SGLetsEncrypt.ps1 -UserName admin -Password pstn_... -AlternateHostNames mx2.example.com -ErrorEmailTo postmaster@example.com

.EXAMPLE
.\SGLetsEncrypt.ps1 -Credential (Import-Clixml C:\Secrets\gateway.xml)
#>
[CmdletBinding()]
param(
    [string]$UserName = '',
    [string]$Password = '',
    [string[]]$AlternateHostNames = @(),
    [string[]]$ErrorEmailTo = @(),
    [string]$Server = 'http://127.0.0.1:8025/RPC2',
    [string]$Directory = 'https://acme-v02.api.letsencrypt.org/directory',
    [System.Management.Automation.PSCredential]$Credential,
    [int]$KeySize = 2048
)

Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
Add-Type -AssemblyName System.Net.Http

$GatewayFailed = 2
$AuthorityFailed = 3
$NotApplied = 4
$KeyFailed = 5

# --- pure functions: text and octets in, text and octets out -----------------------

# Octets as base64url without padding (RFC 7515, section 2).
function ConvertTo-Base64Url {
    param([byte[]]$Bytes)
    [Convert]::ToBase64String($Bytes).TrimEnd('=').Replace('+', '-').Replace('/', '_')
}

# Text as base64url of its UTF-8.
function ConvertTo-Base64UrlText {
    param([string]$Text)
    if ($Text -eq '') {
        return ''
    }
    ConvertTo-Base64Url ([Text.Encoding]::UTF8.GetBytes($Text))
}

# The public key as a JWK, members in the order of RFC 7638, section 3.2.
function ConvertTo-Jwk {
    param([byte[]]$Modulus, [byte[]]$Exponent)
    '{{"e":"{0}","kty":"RSA","n":"{1}"}}' -f (ConvertTo-Base64Url $Exponent), (ConvertTo-Base64Url $Modulus)
}

# The thumbprint of a JWK (RFC 7638).
function Get-Thumbprint {
    param([string]$Jwk)
    $sha256 = [Security.Cryptography.SHA256]::Create()
    try {
        ConvertTo-Base64Url ($sha256.ComputeHash([Text.Encoding]::UTF8.GetBytes($Jwk)))
    } finally {
        $sha256.Dispose()
    }
}

# Text as a JSON string. Nonces and URLs of an authority are ASCII.
function ConvertTo-JsonText {
    param([string]$Text)
    '"' + $Text.Replace('\', '\\').Replace('"', '\"') + '"'
}

# The protected header of a JWS (RFC 8555, section 6.2). Key is a member: jwk or kid.
function New-ProtectedHeader {
    param([string]$Nonce, [string]$Url, [string]$Key)
    '{{"alg":"RS256",{0},"nonce":{1},"url":{2}}}' -f $Key, (ConvertTo-JsonText $Nonce), (ConvertTo-JsonText $Url)
}

# What is signed of a JWS (RFC 7515, section 5.1).
function New-SigningInput {
    param([string]$Header, [string]$Payload)
    (ConvertTo-Base64UrlText $Header) + '.' + (ConvertTo-Base64UrlText $Payload)
}

# A JWS in the flattened form (RFC 7515, section 7.2.2).
function New-Jws {
    param([string]$SigningInput, [byte[]]$Signature)
    $parts = $SigningInput.Split('.')
    '{{"protected":"{0}","payload":"{1}","signature":"{2}"}}' -f $parts[0], $parts[1], (ConvertTo-Base64Url $Signature)
}

# The payload of an order (RFC 8555, section 7.4).
function New-OrderPayload {
    param([string[]]$Names)
    $identifiers = foreach ($name in $Names) { '{"type":"dns","value":' + (ConvertTo-JsonText $name) + '}' }
    '{"identifiers":[' + ($identifiers -join ',') + ']}'
}

# Text as content of an XML element.
function ConvertTo-XmlText {
    param([string]$Text)
    $Text.Replace('&', '&amp;').Replace('<', '&lt;').Replace('>', '&gt;').Replace("`r", '&#13;')
}

# One value of XML-RPC: a string, or an array of strings.
function ConvertTo-XmlRpcValue {
    param($Value)
    if ($Value -is [array]) {
        $items = foreach ($item in $Value) { ConvertTo-XmlRpcValue $item }
        return '<value><array><data>' + ($items -join '') + '</data></array></value>'
    }
    '<value><string>' + (ConvertTo-XmlText $Value) + '</string></value>'
}

# A call of XML-RPC with one struct of arguments.
function New-XmlRpcCall {
    param([string]$Method, [System.Collections.IDictionary]$Members)
    $parts = foreach ($name in $Members.Keys) {
        '<member><name>' + (ConvertTo-XmlText $name) + '</name>' + (ConvertTo-XmlRpcValue $Members[$name]) + '</member>'
    }
    '<?xml version="1.0"?><methodCall><methodName>' + $Method + '</methodName><params><param><value><struct>' +
        ($parts -join '') + '</struct></value></param></params></methodCall>'
}

# The length of a DER element (X.690, section 8.1.3).
function ConvertTo-DerLength {
    param([int]$Length)
    if ($Length -lt 128) {
        return [byte[]]@($Length)
    }
    if ($Length -lt 256) {
        return [byte[]]@(0x81, $Length)
    }
    [byte[]]@(0x82, [Math]::Floor($Length / 256), ($Length % 256))
}

# A DER element.
function ConvertTo-DerElement {
    param([byte]$Tag, [byte[]]$Content)
    [byte[]](@($Tag) + @(ConvertTo-DerLength $Content.Length) + $Content)
}

# A number that is not negative, without zeros before it, as a DER INTEGER.
function ConvertTo-DerInteger {
    param([byte[]]$Bytes)
    $first = 0
    while ($first -lt $Bytes.Length - 1 -and $Bytes[$first] -eq 0) {
        $first++
    }
    $content = [byte[]]$Bytes[$first..($Bytes.Length - 1)]
    if ($content[0] -ge 128) {
        $content = [byte[]](@(0) + $content)
    }
    ConvertTo-DerElement 2 $content
}

# A SEQUENCE of numbers: an RSAPrivateKey (RFC 8017, appendix A.1.2) from version to coefficient.
function ConvertTo-DerSequence {
    param([object[]]$Numbers)
    $content = foreach ($number in $Numbers) { ConvertTo-DerInteger $number }
    ConvertTo-DerElement 0x30 ([byte[]]$content)
}

# Octets as PEM (RFC 7468).
function ConvertTo-Pem {
    param([string]$Label, [byte[]]$Bytes)
    $text = [Convert]::ToBase64String($Bytes)
    $lines = for ($i = 0; $i -lt $text.Length; $i += 64) {
        $text.Substring($i, [Math]::Min(64, $text.Length - $i))
    }
    "-----BEGIN $Label-----`n" + ($lines -join "`n") + "`n-----END $Label-----`n"
}

# The parts of what may be one list with commas: "powershell -File" passes no arrays.
function Split-List {
    param([string[]]$Values)
    foreach ($value in $Values) {
        foreach ($part in $value.Split(',')) {
            if ($part.Trim()) {
                $part.Trim()
            }
        }
    }
}

# Whether a password may be sent there.
function Test-SafeUrl {
    param([string]$Url)
    $uri = [Uri]$Url
    $uri.Scheme -eq 'https' -or ($uri.Scheme -eq 'http' -and $uri.IsLoopback)
}

# --- failures ------------------------------------------------------------------

# Ends the work with a text and the exit code that it stands for.
function Stop-Work {
    param([int]$Code, [string]$Text)
    $failure = New-Object System.Exception $Text
    $failure.Data['ExitCode'] = $Code
    throw $failure
}

# --- HTTP ----------------------------------------------------------------------

# Windows PowerShell does not offer TLS 1.2 everywhere unless told so.
function New-HttpClient {
    if ($PSVersionTable.PSVersion.Major -lt 6) {
        [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12
    }
    $handler = New-Object System.Net.Http.HttpClientHandler
    $handler.AllowAutoRedirect = $false
    $client = New-Object System.Net.Http.HttpClient $handler
    $client.Timeout = [TimeSpan]::FromSeconds(60)
    $client.DefaultRequestHeaders.Add('User-Agent', 'SGLetsEncrypt')
    $client
}

# One request; the reply is told whatever its status. Without a body it is a GET.
function Invoke-Http {
    param([string]$Url, [string]$Body, [string]$ContentType)
    $method = [System.Net.Http.HttpMethod]::Get
    if ($Body) {
        $method = [System.Net.Http.HttpMethod]::Post
    }
    $request = New-Object System.Net.Http.HttpRequestMessage $method, $Url
    if ($Body) {
        $request.Content = New-Object System.Net.Http.StringContent $Body
        $request.Content.Headers.ContentType = [System.Net.Http.Headers.MediaTypeHeaderValue]::Parse($ContentType)
    }
    $response = $script:Http.SendAsync($request).GetAwaiter().GetResult()
    try {
        @{
            Status   = [int]$response.StatusCode
            Nonce    = Get-Header $response 'Replay-Nonce'
            Location = Get-Header $response 'Location'
            Text     = $response.Content.ReadAsStringAsync().GetAwaiter().GetResult()
        }
    } finally {
        $response.Dispose()
        $request.Dispose()
    }
}

function Get-Header {
    param($Response, [string]$Name)
    if ($Response.Headers.Contains($Name)) {
        return [string]@($Response.Headers.GetValues($Name))[0]
    }
    ''
}

# --- the gateway ---------------------------------------------------------------

# Makes a call and returns the element of its value.
function Invoke-Gateway {
    param([string]$Method, [System.Collections.IDictionary]$Members)
    try {
        $reply = Invoke-Http $Server (New-XmlRpcCall $Method $Members) 'text/xml'
        $document = New-Object System.Xml.XmlDocument
        $document.XmlResolver = $null
        $document.LoadXml($reply.Text)
    } catch {
        Stop-Work $GatewayFailed ('{0}: no answer from the gateway: {1}' -f $Method, $_.Exception.Message)
    }
    $fault = $document.SelectSingleNode('/methodResponse/fault/value/struct')
    if ($fault) {
        Stop-Work $GatewayFailed ('{0}: the gateway refuses: {1} {2}' -f $Method, (Get-MemberText $fault 'faultCode'), (Get-MemberText $fault 'faultString'))
    }
    $value = $document.SelectSingleNode('/methodResponse/params/param/value')
    if (-not $value) {
        Stop-Work $GatewayFailed ('{0}: the answer of {1} is not XML-RPC' -f $Method, $Server)
    }
    $value
}

# The text of a member of a struct; empty where there is none.
function Get-MemberText {
    param($Struct, [string]$Name)
    $value = $Struct.SelectSingleNode("member[name='$Name']/value")
    if ($value) {
        return $value.InnerText
    }
    ''
}

function Connect-Gateway {
    $user = $UserName
    $secret = $Password
    if (-not $secret) {
        $secret = $env:POSTERN_PASSWORD
    }
    if ($Credential) {
        $user = $Credential.UserName
        $secret = $Credential.GetNetworkCredential().Password
    }
    $script:Session = (Invoke-Gateway 'session.login' ([ordered]@{ user = $user; password = [string]$secret })).InnerText
}

# Tells people; that it could not be told is told here.
function Send-Report {
    param([string]$Text)
    try {
        $members = [ordered]@{ session = $script:Session; subject = 'No new certificate by SGLetsEncrypt'; text = $Text.Substring(0, [Math]::Min(400, $Text.Length)) }
        $to = @(Split-List $ErrorEmailTo)
        if ($to.Count -gt 0) {
            $members['to'] = $to
        }
        [void](Invoke-Gateway 'alert.send' $members)
    } catch {
        [Console]::Error.WriteLine('SGLetsEncrypt: the failure could not be reported: ' + $_.Exception.Message)
    }
}

# --- the authority ---------------------------------------------------------------

function New-RsaKey {
    param([int]$Bits)
    try {
        if ($PSVersionTable.PSVersion.Major -ge 6) {
            return [Security.Cryptography.RSA]::Create($Bits)
        }
        New-Object System.Security.Cryptography.RSACng $Bits
    } catch {
        Stop-Work $KeyFailed ('no key could be made: ' + $_.Exception.Message)
    }
}

# An unsigned GET of the authority.
function Get-FromAuthority {
    param([string]$Url)
    try {
        $reply = Invoke-Http $Url
    } catch {
        Stop-Work $AuthorityFailed ('{0}: no answer from the authority: {1}' -f $Url, $_.Exception.Message)
    }
    if ($reply.Status -ge 300) {
        Stop-Work $AuthorityFailed ('{0}: the authority answers {1}' -f $Url, $reply.Status)
    }
    $reply
}

function Connect-Authority {
    $script:Acme = (Get-FromAuthority $Directory).Text | ConvertFrom-Json
    $script:Nonce = ''
    $script:AccountKey = New-RsaKey 2048
    $public = $script:AccountKey.ExportParameters($false)
    $jwk = ConvertTo-Jwk $public.Modulus $public.Exponent
    $script:Thumbprint = Get-Thumbprint $jwk
    $script:KeyMember = '"jwk":' + $jwk
    $account = Invoke-Acme $script:Acme.newAccount '{"termsOfServiceAgreed":true}'
    $script:KeyMember = '"kid":' + (ConvertTo-JsonText $account.Location)
}

# A signed request (RFC 8555, section 6.2). An empty payload makes it a POST-as-GET. A nonce
# that is refused is replaced, as section 6.5 wants it.
function Invoke-Acme {
    param([string]$Url, [string]$Payload = '')
    for ($try = 0; $try -lt 20; $try++) {
        $reply = Send-Signed $Url $Payload
        if ($reply.Status -lt 300) {
            return $reply
        }
        if ($reply.Text -notmatch 'urn:ietf:params:acme:error:badNonce') {
            break
        }
    }
    $problem = $reply.Text.Substring(0, [Math]::Min(300, $reply.Text.Length))
    Stop-Work $AuthorityFailed ('{0}: the authority answers {1}: {2}' -f $Url, $reply.Status, $problem)
}

function Send-Signed {
    param([string]$Url, [string]$Payload)
    if (-not $script:Nonce) {
        $script:Nonce = (Get-FromAuthority $script:Acme.newNonce).Nonce
    }
    $signed = New-SigningInput (New-ProtectedHeader $script:Nonce $Url $script:KeyMember) $Payload
    $signature = $script:AccountKey.SignData([Text.Encoding]::ASCII.GetBytes($signed),
        [Security.Cryptography.HashAlgorithmName]::SHA256, [Security.Cryptography.RSASignaturePadding]::Pkcs1)
    $script:Nonce = ''
    try {
        $reply = Invoke-Http $Url (New-Jws $signed $signature) 'application/jose+json'
    } catch {
        Stop-Work $AuthorityFailed ('{0}: no answer from the authority: {1}' -f $Url, $_.Exception.Message)
    }
    $script:Nonce = $reply.Nonce
    $reply
}

# Asks until an order or authorization has left the states, for five minutes.
function Wait-Acme {
    param([string]$Url, [string[]]$While)
    for ($try = 0; $try -lt 100; $try++) {
        $reply = Invoke-Acme $Url
        $object = $reply.Text | ConvertFrom-Json
        if ($While -notcontains $object.status) {
            return $object
        }
        Start-Sleep -Seconds 3
    }
    Stop-Work $AuthorityFailed ('{0}: still {1} after five minutes' -f $Url, $object.status)
}

# Answers the http-01 challenge of an authorization and waits until it is valid.
function Complete-Authorization {
    param([string]$Url)
    $authorization = (Invoke-Acme $Url).Text | ConvertFrom-Json
    if ($authorization.status -eq 'valid') {
        return
    }
    $name = $authorization.identifier.value
    $challenge = @($authorization.challenges | Where-Object { $_.type -eq 'http-01' })[0]
    if (-not $challenge) {
        Stop-Work $AuthorityFailed ('{0}: the authority offers no http-01 challenge' -f $name)
    }
    [void](Invoke-Gateway 'acme.put_challenge' ([ordered]@{
        session = $script:Session; token = $challenge.token; key_authorization = $challenge.token + '.' + $script:Thumbprint
    }))
    try {
        [void](Invoke-Acme $challenge.url '{}')
        $done = Wait-Acme $Url @('pending')
    } finally {
        [void](Invoke-Gateway 'acme.delete_challenge' ([ordered]@{ session = $script:Session; token = $challenge.token }))
    }
    if ($done.status -ne 'valid') {
        $text = $done.challenges | ConvertTo-Json -Depth 10 -Compress
        Stop-Work $AuthorityFailed ('{0}: the challenge failed: {1}' -f $name, $text.Substring(0, [Math]::Min(300, $text.Length)))
    }
}

# --- the certificate ---------------------------------------------------------------

# A request for the names (RFC 2986), in DER.
function New-SigningRequest {
    param($Key, [string[]]$Names)
    try {
        $alternative = New-Object System.Security.Cryptography.X509Certificates.SubjectAlternativeNameBuilder
        foreach ($name in $Names) {
            $alternative.AddDnsName($name)
        }
        $request = New-Object System.Security.Cryptography.X509Certificates.CertificateRequest -ArgumentList @(
            ('CN=' + $Names[0]), $Key, [Security.Cryptography.HashAlgorithmName]::SHA256,
            [Security.Cryptography.RSASignaturePadding]::Pkcs1)
        $request.CertificateExtensions.Add($alternative.Build())
        $request.CreateSigningRequest()
    } catch {
        Stop-Work $KeyFailed ('no request could be made: ' + $_.Exception.Message)
    }
}

# The private key as PEM. .NET Framework writes none itself.
function Get-PrivateKeyPem {
    param($Key)
    $p = $Key.ExportParameters($true)
    $version = [byte[]]@(0)
    $der = ConvertTo-DerSequence @($version, $p.Modulus, $p.Exponent, $p.D, $p.P, $p.Q, $p.DP, $p.DQ, $p.InverseQ)
    ConvertTo-Pem 'RSA PRIVATE KEY' $der
}

# Orders a certificate for the names and returns it with its chain, as PEM.
function Get-NewCertificate {
    param($Key, [string[]]$Names)
    $placed = Invoke-Acme $script:Acme.newOrder (New-OrderPayload $Names)
    $order = $placed.Text | ConvertFrom-Json
    foreach ($authorization in $order.authorizations) {
        Complete-Authorization $authorization
    }
    $order = Wait-Acme $placed.Location @('pending')
    if ($order.status -eq 'ready') {
        $csr = ConvertTo-Base64Url (New-SigningRequest $Key $Names)
        [void](Invoke-Acme $order.finalize ('{"csr":"' + $csr + '"}'))
        $order = Wait-Acme $placed.Location @('ready', 'processing')
    }
    if ($order.status -ne 'valid') {
        Stop-Work $AuthorityFailed ('the order is {0}' -f $order.status)
    }
    (Invoke-Acme $order.certificate).Text
}

# Imports and activates. The reply to the activation comes when it is applied, or too late.
function Install-Certificate {
    param([string]$Pem, [string]$KeyPem)
    $imported = Invoke-Gateway 'certificate.import_pem' ([ordered]@{
        session = $script:Session; certificate = $Pem; private_key = $KeyPem; label = 'SGLetsEncrypt'
    })
    $id = Get-MemberText $imported.SelectSingleNode('struct') 'id'
    $activated = Invoke-Gateway 'certificate.activate' ([ordered]@{ session = $script:Session; id = $id })
    if ((Get-MemberText $activated.SelectSingleNode('struct') 'applied') -ne '1') {
        Stop-Work $NotApplied ('certificate {0} is active, but handshakes do not use it yet' -f $id)
    }
    $id
}

function Invoke-Renewal {
    $own = (Invoke-Gateway 'gateway.default_fqdn' ([ordered]@{ session = $script:Session })).InnerText
    $names = @(@($own) + @(Split-List $AlternateHostNames) | ForEach-Object { $_.ToLowerInvariant() } | Select-Object -Unique)
    Connect-Authority
    $key = New-RsaKey $KeySize
    $pem = Get-NewCertificate $key $names
    $id = Install-Certificate $pem (Get-PrivateKeyPem $key)
    'Certificate {0} for {1} is in force.' -f $id, ($names -join ', ')
}

# Returns the exit code.
function Invoke-Script {
    if (-not (Test-SafeUrl $Server) -or -not (Test-SafeUrl $Directory) -or @(2048, 3072, 4096) -notcontains $KeySize) {
        [Console]::Error.WriteLine('SGLetsEncrypt: -Server and -Directory must be https:// URLs, -KeySize 2048, 3072 or 4096')
        return 1
    }
    $script:Http = New-HttpClient
    $script:Session = ''
    try {
        Connect-Gateway
        Write-Host (Invoke-Renewal)
        return 0
    } catch {
        $text = $_.Exception.Message
        [Console]::Error.WriteLine('SGLetsEncrypt: ' + $text)
        if ($script:Session) {
            Send-Report $text
        }
        if ($_.Exception.Data.Contains('ExitCode')) {
            return $_.Exception.Data['ExitCode']
        }
        return $GatewayFailed
    } finally {
        if ($script:Session) {
            try { [void](Invoke-Gateway 'session.logout' ([ordered]@{ session = $script:Session })) } catch { Write-Verbose 'the session ends by itself' }
        }
        $script:Http.Dispose()
    }
}

# Its functions alone are of use to a script that has dot-sourced it.
if ($MyInvocation.InvocationName -ne '.') {
    exit (Invoke-Script)
}
