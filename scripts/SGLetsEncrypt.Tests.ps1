<#
.SYNOPSIS
Holds the pure functions of SGLetsEncrypt.ps1 to testdata/SGLetsEncrypt.json, without a
network. Needs nothing but PowerShell 5.1 or 7. The exit code is the number of failures.

A vector has the function, its arguments and what must come back: texts, numbers, lists, and
octets as {"hex": ...}. A struct stands for an ordered dictionary.
#>
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
. (Join-Path $PSScriptRoot 'SGLetsEncrypt.ps1')

function ConvertFrom-Vector {
    param($Value)
    if ($Value -is [array]) {
        $list = New-Object System.Collections.ArrayList
        foreach ($item in $Value) { [void]$list.Add((ConvertFrom-Vector $item)) }
        return , $list.ToArray()
    }
    if ($Value -isnot [System.Management.Automation.PSCustomObject]) {
        return $Value
    }
    $names = @($Value.PSObject.Properties | ForEach-Object { $_.Name })
    if ($names -contains 'hex') {
        $octets = for ($i = 0; $i -lt $Value.hex.Length; $i += 2) { [Convert]::ToByte($Value.hex.Substring($i, 2), 16) }
        return , [byte[]]@($octets)
    }
    $members = [ordered]@{}
    foreach ($name in $names) { $members[$name] = ConvertFrom-Vector $Value.$name }
    $members
}

$failures = 0
$vectors = Get-Content -Raw -Encoding UTF8 (Join-Path $PSScriptRoot 'testdata/SGLetsEncrypt.json') | ConvertFrom-Json
foreach ($vector in $vectors) {
    $arguments = @(foreach ($argument in $vector.arguments) { , (ConvertFrom-Vector $argument) })
    $want = @(ConvertFrom-Vector $vector.want) -join ' '
    $got = @(& $vector.function @arguments) -join ' '
    if ($got -cne $want) {
        $failures++
        Write-Host ('FAIL  {0}: {1}, want {2}' -f $vector.function, $got, $want)
    }
}
Write-Host ('{0} vectors, {1} failures' -f @($vectors).Count, $failures)
exit $failures
