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

// The files in a cluster's folder, next to Vagrant's own folder .vagrant.
const (
	vagrantfile   = "Vagrantfile"
	recordFile    = "cluster.json"
	sshConfigFile = "ssh-config"
	logFile       = "vagrant.log"
)

// record is the state of a cluster in its folder. The Vagrantfile is generated from it.
type record struct {
	Cluster    string       `json:"cluster"`
	Hypervisor string       `json:"hypervisor"`
	Box        string       `json:"box"`
	Subnet     netip.Prefix `json:"subnet"`
	Creation   string       `json:"creation,omitempty"`
	Machines   []machine    `json:"machines"`
}

// machine is a node as it was requested.
type machine struct {
	Name string      `json:"name"`
	Role config.Role `json:"role"`
	// Place is the node's index in the configuration.
	Place   int        `json:"place"`
	Address netip.Addr `json:"address"`
	CPUs    int64      `json:"cpus"`
	// Memory is in MiB.
	Memory   int64             `json:"memory"`
	Versions provider.Versions `json:"versions"`
	// Creation is the creation of the Add that created the machine, "" if Create did.
	Creation string `json:"creation,omitempty"`
}

// machine returns the index of the machine with a name, -1 if there is none.
func (r record) machine(name string) int {
	return slices.IndexFunc(r.Machines, func(m machine) bool { return m.Name == name })
}

// read returns the record of a cluster. If there is none, the error is fs.ErrNotExist.
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

// write writes the record and the Vagrantfile that is generated from it to the cluster's folder.
// Each file is replaced atomically.
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
