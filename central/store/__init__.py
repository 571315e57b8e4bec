"""What the centre keeps: tables, migrations, the engines. Knows no MQTT and no HTTP."""
