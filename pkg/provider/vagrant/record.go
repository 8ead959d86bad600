package vagrant

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// Files of a cluster's folder, beside Vagrant's own folder .vagrant.
const (
	vagrantfile   = "Vagrantfile"
	recordFile    = "cluster.json"
	sshConfigFile = "ssh-config"
	logFile       = "vagrant.log"
)

// record is what a cluster's folder says of it: the Vagrantfile is made of it.
type record struct {
	Cluster    string       `json:"cluster"`
	Hypervisor string       `json:"hypervisor"`
	Box        string       `json:"box"`
	Subnet     netip.Prefix `json:"subnet"`
	Creation   string       `json:"creation,omitempty"`
	Machines   []machine    `json:"machines"`
}

// machine is a node as it was asked for.
type machine struct {
	Name string      `json:"name"`
	Role config.Role `json:"role"`
	// Place is the node's number in the configuration.
	Place   int        `json:"place"`
	Address netip.Addr `json:"address"`
	CPUs    int64      `json:"cpus"`
	// Memory is in MiB.
	Memory   int64             `json:"memory"`
	Versions provider.Versions `json:"versions"`
	// Creation is that of the Add that made the machine, "" for one of Create's.
	Creation string `json:"creation,omitempty"`
}

// machine is the number of the machine of a name, -1 where there is none.
func (r record) machine(name string) int {
	return slices.IndexFunc(r.Machines, func(m machine) bool { return m.Name == name })
}

// read is the record of a cluster. Where there is none, the error is fs.ErrNotExist.
func (p *Provider) read(cluster string) (record, error) {
	var r record
	file := filepath.Join(p.folder(cluster), recordFile)
	if p.folder(cluster) == "" {
		return r, os.ErrNotExist
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return r, fmt.Errorf("reading the record of cluster %s: %w", cluster, err)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("reading %s: %w", file, err)
	}
	return r, nil
}

// write puts the record and the Vagrantfile that says the same into the cluster's
// folder, each whole or not at all.
func (p *Provider) write(r record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	text, err := r.vagrantfile()
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{vagrantfile: text, recordFile: append(data, '\n')} {
		if err := replace(filepath.Join(p.folder(r.Cluster), name), content); err != nil {
			return fmt.Errorf("writing %s of cluster %s: %w", name, r.Cluster, err)
		}
	}
	return nil
}

func replace(file string, data []byte) error {
	if err := os.WriteFile(file+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
