package kubeconfig

import "sigs.k8s.io/yaml"

// A Credential authenticates a user of a kubeconfig: a client certificate and its key, each as PEM.
// A field is empty if it is not embedded.
type Credential struct {
	Cert []byte `json:"client-certificate-data"`
	Key  []byte `json:"client-key-data"`
}

// Embedded returns the authorities (PEM, empty if none is embedded) and the credentials in a
// kubeconfig: one for each of its clusters and users, in their order. The error may contain a part
// of a key.
func Embedded(data []byte) (authorities [][]byte, users []Credential, err error) {
	var file struct {
		Clusters []struct {
			Cluster struct {
				CA []byte `json:"certificate-authority-data"`
			} `json:"cluster"`
		} `json:"clusters"`
		Users []struct {
			User Credential `json:"user"`
		} `json:"users"`
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		return nil, nil, err
	}
	for _, c := range file.Clusters {
		authorities = append(authorities, c.Cluster.CA)
	}
	for _, u := range file.Users {
		users = append(users, u.User)
	}
	return authorities, users, nil
}
