package launchctl

import (
	"strconv"

	"github.com/macos-fleet/terraform-provider-macos/internal/plist"
)

// Meaning is a job's property list in one spelling of the several that launchd reads alike, as launchd.plist(5) has them: an array of
// one for what may be a single value or an array, an integer for a Umask that is text, text for the port of a socket that is an integer,
// true for a Mach service without properties, and no environment for an empty one. What it does not know stays as it is.
func Meaning(file plist.Dict) plist.Dict {
	if file == nil {
		return nil
	}
	means := plist.Dict{}
	for _, e := range file {
		switch e.Key {
		case "StartCalendarInterval":
			e.Value = several[plist.Dict](e.Value)
		case "LimitLoadToSessionType", "AssociatedBundleIdentifiers":
			e.Value = several[string](e.Value)
		case "Umask":
			e.Value = mode(e.Value)
		case "MachServices":
			e.Value = each(e.Value, service)
		case "Sockets":
			e.Value = each(e.Value, sockets)
		case "EnvironmentVariables":
			if dict, ok := e.Value.(plist.Dict); ok && len(dict) == 0 {
				continue
			}
		}
		means = append(means, e)
	}
	return means
}

// Same reports whether two property lists of a job mean the same.
func Same(a, b plist.Dict) bool {
	return (a == nil) == (b == nil) && plist.Equal(Meaning(a), Meaning(b))
}

// several makes an array of a single T.
func several[T plist.Value](v plist.Value) plist.Value {
	if one, ok := v.(T); ok {
		return plist.Array{one}
	}
	return v
}

// mode is a Umask that is text as strtoul(3) reads it: octal with a leading 0.
func mode(v plist.Value) plist.Value {
	if text, ok := v.(string); ok {
		if n, err := strconv.ParseInt(text, 0, 32); err == nil {
			return n
		}
	}
	return v
}

// each is a dictionary with its values changed.
func each(v plist.Value, change func(plist.Value) plist.Value) plist.Value {
	dict, ok := v.(plist.Dict)
	if !ok {
		return v
	}
	changed := plist.Dict{}
	for _, e := range dict {
		changed = append(changed, plist.Entry{Key: e.Key, Value: change(e.Value)})
	}
	return changed
}

func service(v plist.Value) plist.Value {
	if dict, ok := v.(plist.Dict); ok && len(dict) == 0 {
		return true
	}
	return v
}

// sockets are those of one name.
func sockets(v plist.Value) plist.Value {
	array, ok := several[plist.Dict](v).(plist.Array)
	if !ok {
		return v
	}
	changed := plist.Array{}
	for _, e := range array {
		if dict, ok := e.(plist.Dict); ok {
			socket := plist.Dict{}
			for _, key := range dict {
				switch key.Key {
				case "SockServiceName":
					if port, ok := key.Value.(int64); ok {
						key.Value = strconv.FormatInt(port, 10)
					}
				case "Bonjour":
					key.Value = several[string](key.Value)
				}
				socket = append(socket, key)
			}
			e = socket
		}
		changed = append(changed, e)
	}
	return changed
}
