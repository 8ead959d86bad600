package vagrant

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/kevinburke/ssh_config"
	"golang.org/x/crypto/ssh"
)

// target is how to reach a machine, as vagrant ssh-config prints it.
type target struct {
	address, user string
	keys          []string // files
}

// target returns how to reach a machine of a cluster. The error is fs.ErrNotExist if vagrant did
// not know the machine yet.
func (p *Provider) target(cluster, name string) (target, error) {
	f, err := os.Open(filepath.Join(p.folder(cluster), sshConfigFile))
	if err != nil {
		return target{}, err
	}
	defer f.Close()
	return readTarget(f, name)
}

// readTarget parses one host of the output of vagrant ssh-config, see ssh_config(5).
func readTarget(r io.Reader, host string) (target, error) {
	cfg, err := ssh_config.Decode(r)
	if err != nil {
		return target{}, err
	}
	values := map[string]string{}
	for _, key := range []string{"HostName", "Port", "User"} {
		if values[key], err = cfg.Get(host, key); err != nil {
			return target{}, err
		}
	}
	keys, err := cfg.GetAll(host, "IdentityFile")
	if err != nil {
		return target{}, err
	}
	if values["HostName"] == "" {
		return target{}, fs.ErrNotExist
	}
	return target{net.JoinHostPort(values["HostName"], values["Port"]), values["User"], keys}, nil
}

// client returns the configuration of a connection. It accepts any host key, as vagrant does:
// machines create their host keys at the first boot, so that these are not known in advance.
func (t target) client() (*ssh.ClientConfig, error) {
	var signers []ssh.Signer
	var errs []error
	for _, file := range t.keys {
		data, err := os.ReadFile(file)
		if err == nil {
			var s ssh.Signer
			if s, err = ssh.ParsePrivateKey(data); err == nil {
				signers = append(signers, s)
				continue
			}
		}
		errs = append(errs, fmt.Errorf("reading the key %s: %w", file, err))
	}
	if len(signers) == 0 {
		return nil, errors.Join(append(errs, errors.New("vagrant reports no readable SSH key"))...)
	}
	return &ssh.ClientConfig{
		User: t.user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signers...)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: dialLimit,
	}, nil
}
