# PowerShell completion for cv; load it with: cv completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName cv -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.StartOffset -lt $cursorPosition } | ForEach-Object { $_.ToString() })
    if ($wordToComplete -eq '') { $words += '' }
    $answer = @(& cv __complete '--' @words 2>$null)
    if ($answer.Count -gt 0 -and $answer[0] -in ':files', ':directories') {
        return [System.Management.Automation.CompletionCompleters]::CompleteFilename($wordToComplete)
    }
    foreach ($line in $answer) {
        $word, $explanation = $line -split "`t", 2
        if (-not $explanation) { $explanation = $word }
        [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $explanation)
    }
}
