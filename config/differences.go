package config

import "reflect"

// Differences are the keys, as in cache.memory, whose values differ between two configurations, in the order of the file.
func Differences(a, b Config) []string {
	return differences("", reflect.ValueOf(a.file()), reflect.ValueOf(b.file()))
}

// differences compares two mappings of the same kind.
func differences(parent string, a, b reflect.Value) (keys []string) {
	for i := range a.NumField() {
		key := below(parent, a.Type().Field(i).Tag.Get("yaml"))
		switch x, y := a.Field(i), b.Field(i); {
		case x.Kind() == reflect.Struct:
			keys = append(keys, differences(key, x, y)...)
		case !reflect.DeepEqual(x.Interface(), y.Interface()):
			keys = append(keys, key)
		}
	}
	return keys
}
