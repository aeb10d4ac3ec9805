#compdef cv
# zsh completion for cv; load it with: source <(cv completion zsh)
_cv() {
    local -a answer described
    local line
    answer=("${(@f)$("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    case ${answer[1]} in
        '') return 1 ;;
        :files) _files; return ;;
        :directories) _files -/; return ;;
    esac
    for line in $answer; do
        described+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    _describe -t candidates 'cv' described
}
if [[ ${funcstack[1]} == _cv ]]; then
    _cv "$@"
else
    compdef _cv cv
fi
