# Starts sshd for one session: program, private folder, address, port, and what every login runs instead of a shell, if anything.
# The host key and the configuration are of this start alone. Who may log in is who holds a key of this very user.
program=$1 folder=$2 address=$3 port=$4 instead=$5
umask 077
ssh-keygen -q -t ed25519 -N '' -f "$folder/host_key" </dev/null || exit
cat ~/.ssh/authorized_keys ~/.ssh/*.pub >"$folder/keys" 2>/dev/null
# Started by root, sshd wants a folder of the system.
[ "$(id -u)" != 0 ] || mkdir -p -m 755 /run/sshd
cat >"$folder/config" <<END
ListenAddress $address:$port
HostKey $folder/host_key
AuthorizedKeysFile $folder/keys
AllowUsers $(id -un)
PasswordAuthentication no
KbdInteractiveAuthentication no
# Folders for temporary files are everybody's; this one is not.
StrictModes no
UsePAM no
PidFile none
Subsystem sftp internal-sftp
END
[ -z "$instead" ] || echo "ForceCommand $instead" >>"$folder/config"
exec "$program" -D -e -f "$folder/config"
