package kubeconfig

import "sigs.k8s.io/yaml"

// A Credential is what a user of a kubeconfig proves itself by: a client certificate and
// its key, each as PEM, empty where it is not embedded.
type Credential struct {
	Cert []byte `json:"client-certificate-data"`
	Key  []byte `json:"client-key-data"`
}

// Embedded are the authorities (PEM, empty where none is embedded) and the credentials
// in a kubeconfig: one for each of its clusters and users, in their order. An error may quote a
// key.
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
