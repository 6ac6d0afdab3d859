# Starts sshd for one session: program, private folder, address, port, and optionally the command that every login runs instead of a shell.
# The host key and the configuration are made for this start. Holders of this user's keys may log in.
program=$1 folder=$2 address=$3 port=$4 instead=$5
umask 077
ssh-keygen -q -t ed25519 -N '' -f "$folder/host_key" </dev/null || exit
cat ~/.ssh/authorized_keys ~/.ssh/*.pub >"$folder/keys" 2>/dev/null
# As root, sshd needs a folder of the system.
[ "$(id -u)" != 0 ] || mkdir -p -m 755 /run/sshd
cat >"$folder/config" <<END
ListenAddress $address:$port
HostKey $folder/host_key
AuthorizedKeysFile $folder/keys
AllowUsers $(id -un)
PasswordAuthentication no
KbdInteractiveAuthentication no
# The folder for temporary files is shared with all users; this one is private.
StrictModes no
UsePAM no
PidFile none
Subsystem sftp internal-sftp
END
[ -z "$instead" ] || echo "ForceCommand $instead" >>"$folder/config"
# sshd closes every descriptor that it inherits, also the lifeline through which it would end with its runner. This shell keeps it for the group.
"$program" -D -e -f "$folder/config"
exit
