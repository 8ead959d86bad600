package external

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/mkube/mkube/pkg/provider"
)

// creationPrefix starts the names of mkube's own files in a cluster's folder. The prefix is
// followed by the name of a node, and the file contains the creation of that node. Without a name,
// it contains the creation of the cluster.
const creationPrefix = ".creation-"

// note records the creation of a node, or of the whole cluster if node is empty. So programs need
// not support creations.
func (p *Provider) note(cluster, node, creation string) error {
	file := filepath.Join(p.folder(cluster), creationPrefix+node)
	if err := os.WriteFile(file, []byte(creation), 0o600); err != nil {
		return fmt.Errorf("recording which command creates cluster %s: %w", cluster, err)
	}
	return nil
}

// claim reserves a node's place for one Add. Of two concurrent Adds, also of two processes, the
// second one gets provider.ErrExists. The claim ends with release, or with this process.
func (p *Provider) claim(cluster, node string) (release func(), err error) {
	f, err := os.OpenFile(filepath.Join(p.folder(cluster), creationPrefix+node), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("claiming node %s: %w", node, err)
	}
	if err := tryLock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("node %s %w: another command is adding it", node, provider.ErrExists)
	}
	return func() { f.Close() }, nil
}

// noted returns the node that a creation has created, "" for the whole cluster. ok is false if the
// creation has created nothing of the cluster.
func (p *Provider) noted(cluster, creation string) (node string, ok bool, err error) {
	entries, err := os.ReadDir(p.folder(cluster))
	if err != nil {
		return "", false, fmt.Errorf("reading which command created cluster %s: %w", cluster, err)
	}
	for _, e := range entries {
		name, ours := strings.CutPrefix(e.Name(), creationPrefix)
		if !ours {
			continue
		}
		data, err := os.ReadFile(filepath.Join(p.folder(cluster), e.Name()))
		if err != nil {
			return "", false, fmt.Errorf("reading which command created cluster %s: %w", cluster, err)
		}
		if string(data) == creation {
			return name, true, nil
		}
	}
	return "", false, nil
}
