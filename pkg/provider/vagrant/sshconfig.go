package vagrant

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

// target is how a machine is reached, as vagrant ssh-config says it.
type target struct {
	address, user string
	keys          []string // files
}

// target is that of a machine of a cluster. The error is fs.ErrNotExist where vagrant
// did not know the machine yet.
func (p *Provider) target(cluster, name string) (target, error) {
	data, err := os.ReadFile(filepath.Join(p.folder(cluster), sshConfigFile))
	if err != nil {
		return target{}, err
	}
	t, ok := parseSSHConfig(string(data))[name]
	if !ok {
		return target{}, fs.ErrNotExist
	}
	return t, nil
}

// parseSSHConfig reads what vagrant ssh-config prints, by host. It is a small part of
// what ssh_config(5) allows: a keyword and a value a line, the value perhaps in quotes.
func parseSSHConfig(text string) map[string]target {
	hosts := map[string]target{}
	var host, name, port string
	for line := range strings.Lines(text) {
		keyword, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		if keyword == "Host" {
			host, name, port = value, "", ""
		}
		t := hosts[host]
		switch keyword {
		case "HostName":
			name = value
		case "Port":
			port = value
		case "User":
			t.user = value
		case "IdentityFile":
			t.keys = append(t.keys, value)
		default:
			continue
		}
		t.address = net.JoinHostPort(name, port)
		hosts[host] = t
	}
	return hosts
}

// client is the configuration of a connection. Machines make their host keys when they
// first boot and nobody could tell them beforehand, so that vagrant, too, takes any.
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
		return nil, errors.Join(append(errs, errors.New("vagrant names no key that can be read"))...)
	}
	return &ssh.ClientConfig{
		User: t.user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signers...)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: dialLimit,
	}, nil
}
