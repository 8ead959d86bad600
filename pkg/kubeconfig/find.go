package kubeconfig

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
)

// Find returns the entry with a name from the user's kubeconfig (see Paths), without the credential
// of its user. found is false if no file has a cluster and a user with this name. Of several
// clusters with the name, it returns the first one, as kubectl does.
func Find(paths []string, name string) (e Entry, found bool, err error) {
	p, docs, err := place(paths, name, false)
	if err != nil {
		return Entry{}, false, err
	}
	items := docs[p.file(clusters)].items(clusters)
	i := slices.IndexFunc(items, named(name))
	if i < 0 || !docs[p.file(users)].holds(users, name) {
		return Entry{}, false, nil
	}
	var c namedCluster
	decodeErr := items[i].Decode(&c)
	ca, caErr := base64.StdEncoding.DecodeString(c.Cluster.CA)
	if err := errors.Join(decodeErr, caErr); err != nil {
		return Entry{}, false, fmt.Errorf("reading cluster %q of kubeconfig %s: %w", name, p.file(clusters), err)
	}
	return Entry{Name: name, Server: c.Cluster.Server, TLSServerName: c.Cluster.TLSServerName, CA: ca}, true, nil
}
