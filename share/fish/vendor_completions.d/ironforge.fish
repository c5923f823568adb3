# fish completion of ironforge
function __ironforge_complete
    set -lx _IRONFORGE_COMPLETE fish
    set -l words (commandline -opc)
    set -l found ($words[1] $words[2..] (commandline -ct) 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c ironforge -f -a '(__ironforge_complete)'
