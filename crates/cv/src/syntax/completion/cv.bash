# bash completion for cv; load it with: source <(cv completion bash)
_cv() {
    local line=${COMP_LINE:0:COMP_POINT}
    local -a words answer
    read -ra words <<<"$line"
    [[ $line == *' ' ]] && words+=('')
    local current=${words[${#words[@]} - 1]}
    # bash splits words at `=` and `:` too, so that a reply must not repeat what stands before them.
    local lead=${current%"${current##*[=:]}"}
    COMPREPLY=()
    mapfile -t answer < <("${COMP_WORDS[0]}" __complete -- "${words[@]:1}" 2>/dev/null)
    case ${answer[0]-} in
    :files) mapfile -t COMPREPLY < <(compgen -f -- "${current#"$lead"}") ;;
    :directories) mapfile -t COMPREPLY < <(compgen -d -- "${current#"$lead"}") ;;
    *)
        local candidate
        for candidate in "${answer[@]}"; do
            candidate=${candidate%%$'\t'*}
            COMPREPLY+=("${candidate#"$lead"}")
        done
        ;;
    esac
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=:] ]] && compopt -o nospace
    [[ ${answer[0]-} == :* ]] && compopt -o filenames
    return 0
} 2>/dev/null
complete -F _cv cv
