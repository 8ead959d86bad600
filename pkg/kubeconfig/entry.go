// Package kubeconfig writes the kubeconfig of a cluster, merges it into that of the user, and
// removes it from there. It follows kubectl's rules for the choice of the file and for locks. But
// while kubectl rewrites a file, this package keeps everything that does not belong to the cluster:
// unknown fields, comments, order and the format of JSON.
//
// The rules are in
// https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/ and, for
// writing, in client-go's tools/clientcmd (ModifyConfig).
package kubeconfig

import (
	"encoding/base64"
	"errors"
	"fmt"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// An Entry is the access of one user to one cluster: a context with its cluster and its user, all
// three with the same name.
type Entry struct {
	// Name is required: "mkube-" and the cluster's name.
	Name string
	// Server is required: the URL at which the host reaches kube-apiserver.
	Server string
	// CA, ClientCert and ClientKey are PEM. An empty one is left out.
	CA, ClientCert, ClientKey []byte
	// TLSServerName is the name that the server's certificate must contain. If empty, it is the
	// host of Server.
	TLSServerName string
}

// YAML returns a kubeconfig with only this entry, and its context as the current one.
func (e Entry) YAML() ([]byte, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	doc, err := parse(nil)
	if err != nil {
		return nil, err
	}
	for _, s := range sections {
		if err := doc.setEntry(s, e); err != nil {
			return nil, err
		}
	}
	doc.setCurrentContext(e.Name)
	return doc.encode(e.Name)
}

func (e Entry) check() error {
	var errs []error
	if e.Name == "" {
		errs = append(errs, errors.New("its name is empty"))
	}
	if e.Server == "" {
		errs = append(errs, errors.New("its server is empty"))
	}
	for _, text := range []string{e.Name, e.Server, e.TLSServerName} {
		if !utf8.ValidString(text) {
			errs = append(errs, fmt.Errorf("%q is not UTF-8, which YAML requires", text))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("kubeconfig entry %q: %w", e.Name, err)
	}
	return nil
}

// The fields are in the alphabetical order in which kubectl writes them.
type (
	namedCluster struct {
		Cluster clusterFields `yaml:"cluster"`
		Name    string        `yaml:"name"`
	}
	clusterFields struct {
		CA            string `yaml:"certificate-authority-data,omitempty"`
		Server        string `yaml:"server"`
		TLSServerName string `yaml:"tls-server-name,omitempty"`
	}
	namedContext struct {
		Context contextFields `yaml:"context"`
		Name    string        `yaml:"name"`
	}
	contextFields struct {
		Cluster string `yaml:"cluster"`
		User    string `yaml:"user"`
	}
	namedUser struct {
		Name string     `yaml:"name"`
		User userFields `yaml:"user"`
	}
	userFields struct {
		ClientCert string `yaml:"client-certificate-data,omitempty"`
		ClientKey  string `yaml:"client-key-data,omitempty"`
	}
)

// stanza returns the entry's item in a section. It is encoded from Go strings, because Encode
// quotes strings that YAML 1.1, which kubectl uses, would read as another type.
func (e Entry) stanza(s section) (*yaml.Node, error) {
	var value any
	switch s {
	case clusters:
		value = namedCluster{clusterFields{base64.StdEncoding.EncodeToString(e.CA), e.Server, e.TLSServerName}, e.Name}
	case contexts:
		value = namedContext{contextFields{e.Name, e.Name}, e.Name}
	case users:
		value = namedUser{e.Name, userFields{base64.StdEncoding.EncodeToString(e.ClientCert), base64.StdEncoding.EncodeToString(e.ClientKey)}}
	}
	var node yaml.Node
	if err := node.Encode(value); err != nil {
		return nil, fmt.Errorf("kubeconfig entry %q: %w", e.Name, err)
	}
	return &node, nil
}
