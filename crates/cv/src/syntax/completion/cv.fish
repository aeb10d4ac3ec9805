# fish completion for cv; load it with: cv completion fish | source
function __cv_complete
    set -l words (commandline --tokens-expanded --cut-at-cursor 2>/dev/null; or commandline -opc) (commandline -ct)
    set -l answer (command $words[1] __complete -- $words[2..-1] 2>/dev/null)
    switch "$answer[1]"
        case :files
            __fish_complete_path (commandline -ct)
        case :directories
            __fish_complete_directories (commandline -ct)
        case '*'
            printf '%s\n' $answer
    end
end
complete --command cv --no-files --arguments '(__cv_complete)'
