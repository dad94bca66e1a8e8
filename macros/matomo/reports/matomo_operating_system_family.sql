{% macro matomo_operating_system_family(code, name) -%}
    {#- The family of an operating system in Matomo's reports, found by its code (three characters
        of Matomo's device detector). A system with an unknown code keeps its own name. code, name:
        SQL expressions. -#}
    {%- set families = {
        'AmigaOS': 'AMG ARO MOR',
        'Android':
            'ADR AND ARM BOS BYI CLR CYN FIR GRI HAR HEL LEN LEO MCD MET MLD PIC PUF REM REV RIS '
            ~ 'RRS RZD SIR WER YNS',
        'BeOS': 'BEO HAI',
        'BlackBerry': 'BLB QNX',
        'Brew': 'BMP',
        'Chrome OS': 'COS CRS FYD SEE',
        'Console': 'PS3 WII',
        'Firefox OS': 'FOS KOS',
        'GNU/Linux':
            'ALP AMZ AOS ARL ASP AZU BSN BTR CAI CES CHN CLO COL CST DEB DEE DVK EUL EZX FED FEN '
            ~ 'FOR FRE FRI FUC GNS GNT HAS JOL KAL KAN KBT KNO KTV LBT LIN LIR LND LNS LOO LOS MAG '
            ~ 'MDR MIN MON NOV ORA ORD OTV OVZ OWR PAN PAR PCL PIO PLA PUR PVE QTP RAS RED RHT ROC '
            ~ 'ROK ROU RSO RST SAB SAF SCI SER SLW SSE TEN TIV TOS TUR UBT UOS VID VIZ VLN WEB WPO '
            ~ 'XBT ZEN ZOR',
        'Google TV': 'GTV',
        'IBM': 'OS2',
        'iOS': 'ATV IOS IPA WAS',
        'Mac': 'MAC',
        'Mobile Gaming Console': 'NDS PSP XBX',
        'OpenVMS': 'OVS',
        'Other Mobile': 'GEO LUN MAE POS SBA SMG TIZ WOS',
        'Other Smart TV': 'WHS',
        'Real-time OS': 'JME KOP MRE MTK REX RXT TDX',
        'RISC OS': 'ROS',
        'Symbian': 'S40 S60 SY3 SYM SYS',
        'Unix': 'AIX BSD DFB ELE GNX HPX INF IRI NBS NWS NXT OBS SBL SOS SYL T64 ULT',
        'WebTV': 'WTV',
        'Windows': 'WIN',
        'Windows Mobile': 'KIN WCE WIO WMO WPH WRT'
    } -%}
    case
    {%- for family, codes in families.items() %}
        when {{ code }} in ('{{ codes.split() | join("', '") }}') then '{{ family }}'
    {%- endfor %}
        when {{ code }} is null or {{ code }} = 'UNK' then 'Unknown'
        else coalesce({{ name }}, 'Unknown')
    end
{%- endmacro %}
